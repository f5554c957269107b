//! Where a range of keys might be cut.
//!
//! Numbers and bytes have an order that we know. Text has the order of its collation, which only the server knows; so candidates for a
//! cut in text are guesses, of which the server says which ones lie in the range, and how many rows are before each.

use super::key::Key;

/// How often a range of text is tried, each time at another place of the text.
pub(super) const ATTEMPTS: u8 = 8;
/// Characters that are tried between two that differ.
const SPACED: u32 = 24;
/// Characters of most keys: digits, letters, and what ids are joined with.
const USUAL: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-. :/@";

/// Rising numbers above `low` and not above `high` that cut the range into at most so many pieces of equal width.
pub(super) fn equal_cuts(low: i128, high: i128, pieces: usize) -> Vec<i128> {
    let Some(pieces) = u128::try_from(pieces).ok().filter(|pieces| *pieces > 1 && low < high) else {
        return Vec::new();
    };
    let distance = high.wrapping_sub(low).cast_unsigned();
    let step = distance / pieces + 1;
    (1..pieces)
        .map_while(|piece| piece.checked_mul(step).filter(|offset| *offset <= distance))
        .map(|offset| low.wrapping_add(offset.cast_signed()))
        .collect()
}

/// The characters that cut a range before, which therefore stand in keys.
#[derive(Debug, Default)]
pub(super) struct Alphabet(Vec<u32>);

impl Alphabet {
    /// Notes the characters behind the common beginning of a cut and the range's first key.
    pub(super) fn learn(&mut self, low: &Key, cut: &Key) {
        let (low, cut) = (symbols(low), symbols(cut));
        let place = common(&low, &cut);
        for symbol in [low.get(place), cut.get(place)].into_iter().flatten() {
            if let Err(place) = self.0.binary_search(symbol) {
                self.0.insert(place, *symbol);
            }
        }
    }
}

/// How many characters or bytes two keys begin with together.
pub(super) fn common_length(a: &Key, b: &Key) -> usize {
    common(&symbols(a), &symbols(b))
}

/// Guesses of text or bytes between the first and the last key of a range, about `wanted` of them on the first attempt.
pub(super) fn guesses(low: &Key, high: &Key, attempt: u8, wanted: usize, alphabet: &Alphabet) -> Vec<Key> {
    let (first, last) = (symbols(low), symbols(high));
    let exact = common(&first, &last);
    // Where letters of both cases are equal the text goes on behind letters that differ in case alone.
    let folded = first.iter().zip(&last).take_while(|(a, b)| fold(**a) == fold(**b)).count();
    let mut guesses: Vec<Vec<u32>> = Vec::new();
    let mut add = |stem: &[u32], symbols: &[u32]| {
        guesses.extend(symbols.iter().map(|symbol| stem.iter().chain([symbol]).copied().collect()));
    };
    let spaced = |place: usize| match (first.get(place), last.get(place)) {
        (Some(a), Some(b)) => between(*a, *b),
        (None, Some(b)) => between(0x20, *b),
        _ => Vec::new(),
    };
    let is_bytes = matches!(low, Key::Bytes(_));
    let all: Vec<u32> = match is_bytes {
        true => (0..=255).step_by(16).collect(),
        false => USUAL.chars().map(u32::from).chain(alphabet.0.iter().copied()).collect(),
    };
    match attempt {
        0 if is_bytes || alphabet.0.is_empty() => add(&first[..exact], &spaced(exact)),
        0 => {
            let step = (alphabet.0.len() / wanted.max(1)).max(1);
            let some: Vec<u32> = alphabet.0.iter().copied().step_by(step).collect();
            add(&last[..folded.min(last.len())], &some);
        }
        1 => {
            add(&first[..exact], &spaced(exact));
            add(&first[..exact], &all);
            if folded > exact {
                add(&last[..folded], &spaced(folded));
                add(&last[..folded], &all);
            }
        }
        _ => {
            // Behind the place where they differ: what begins as the first key does, and as the last.
            let place = exact + usize::from(attempt) - 1;
            for end in [&first, &last] {
                add(&end[..place.min(end.len())], &all);
            }
        }
    }
    match attempt {
        // What the ends themselves go on with.
        0 | 1 => {
            add(&last[..exact], &[first.get(exact), last.get(exact)].into_iter().flatten().copied().collect::<Vec<_>>())
        }
        // The last key takes the last value off, however far it is from the others.
        _ => guesses.push(last),
    }
    guesses.sort_unstable();
    guesses.dedup();
    guesses.into_iter().filter_map(|symbols| key(is_bytes, &symbols)).collect()
}

fn fold(symbol: u32) -> u32 {
    char::from_u32(symbol).map_or(symbol, |c| u32::from(c.to_ascii_lowercase()))
}

fn between(a: u32, b: u32) -> Vec<u32> {
    let (low, high) = (a.min(b), a.max(b));
    let step = ((high - low) / SPACED).max(1) as usize;
    (low..=high).step_by(step).chain([high]).collect()
}

fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn symbols(key: &Key) -> Vec<u32> {
    match key {
        Key::Text(text) => text.chars().map(u32::from).collect(),
        Key::Bytes(bytes) => bytes.iter().map(|byte| u32::from(*byte)).collect(),
        Key::Number(_) => Vec::new(),
    }
}

/// None for what is no text: half of a surrogate pair.
fn key(is_bytes: bool, symbols: &[u32]) -> Option<Key> {
    if is_bytes {
        symbols.iter().map(|symbol| u8::try_from(*symbol).ok()).collect::<Option<_>>().map(Key::Bytes)
    } else {
        symbols.iter().map(|symbol| char::from_u32(*symbol)).collect::<Option<_>>().map(Key::Text)
    }
}
