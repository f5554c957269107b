//! Cutting the keys of a table into ranges of few rows, by what the server estimates.
//!
//! Ranges with too many rows are cut further, wherever they are: so keys may be dense, sparse, or in clusters at far ends. What the cuts
//! are does not matter for what is read, only that they rise in the server's order, which is checked at the end
//! ([`rising`](super::rising)).

use std::cmp::Ordering;

use super::candidates::{ATTEMPTS, Alphabet, common_length, equal_cuts, guesses};
use super::key::Key;
use super::server::{Candidate, KeyRange, KeyServer};
use crate::error::Result;

/// Ranges for each split that is wanted: neighbours are joined to splits that differ by at most one range.
const RANGES_PER_SPLIT: f64 = 4.0;
/// Pieces that one range is cut into at a time.
const MOST_PIECES: usize = 32;
/// Statements and rows after which nothing is cut any more; less than what planning may cost by as much as one round takes.
const STATEMENTS: u32 = 140;
const ROWS_READ: u32 = 600;
/// Dives of one round at most.
const DIVES_OF_ROUND: usize = 512;
/// Parts that the weights are made comparable in, if fewer splits are wanted.
const BLOCKS: usize = 16;
/// Neighbours are joined again up to this part of what a leaf may have, so that empty ranges do not pile up.
const SMALL: f64 = 0.125;
/// A piece with this part of its leaf's rows is the leaf once more, with some rows taken off an end.
const MOST_OF_IT: f64 = 0.9;

/// Some keys, and about how many rows they have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    pub(super) range: KeyRange,
    /// Rows in the server's estimate, or some multiple of it that is the same for all leaves.
    pub(super) weight: f64,
    /// The first and last key; of numbers, the first and last that there could be. None if nobody asked yet.
    ends: Option<(Key, Key)>,
    /// How often cutting has failed, or has only taken some rows off an end.
    attempts: u8,
    /// What all keys were known to begin with when it failed: a longer beginning is a new start.
    stem: usize,
}

impl Leaf {
    /// Whether it holds one value, or values that no guess lies between.
    pub(super) fn is_solid(&self) -> bool {
        self.attempts >= ATTEMPTS || self.ends.as_ref().is_some_and(|(low, high)| low == high)
    }
}

/// The leaves of a table of about so many rows in the server's order, for so many splits; None for a table without keys.
pub(super) async fn leaves(server: &mut impl KeyServer, rows: u64, splits: usize) -> Result<Option<Vec<Leaf>>> {
    let whole = KeyRange { from: None, to: None };
    let Some(ends) = server.ends(std::slice::from_ref(&whole)).await?.into_iter().next().flatten() else {
        return Ok(None);
    };
    let mut leaves = vec![Leaf { range: whole, weight: rows as f64, ends: Some(ends), attempts: 0, stem: 0 }];
    let mut alphabet = Alphabet::default();
    loop {
        let total: f64 = leaves.iter().map(|leaf| leaf.weight).sum();
        let limit = total / (splits as f64 * RANGES_PER_SPLIT);
        let large = large(&leaves, limit);
        let spent = server.spent();
        if large.is_empty() || spent.statements > STATEMENTS || spent.rows_read > ROWS_READ {
            break;
        }
        find_ends(server, &mut leaves, &large).await?;
        let cuts = find_cuts(server, &leaves, &large, limit, &mut alphabet).await?;
        cut(server, &mut leaves, cuts, limit).await?;
    }
    calibrate(server, &mut leaves, splits.max(BLOCKS)).await?;
    Ok(Some(leaves))
}

/// The places of the leaves that have too many rows and may be cut, in order; of very many the heaviest.
fn large(leaves: &[Leaf], limit: f64) -> Vec<usize> {
    let is_large = |place: &usize| leaves[*place].weight > limit && !leaves[*place].is_solid();
    let mut large: Vec<usize> = (0..leaves.len()).filter(is_large).collect();
    large.sort_by(|a, b| leaves[*b].weight.total_cmp(&leaves[*a].weight));
    large.truncate(DIVES_OF_ROUND / 4);
    large.sort_unstable();
    large
}

/// Asks for the first and last key of leaves where they are not known.
async fn find_ends(server: &mut impl KeyServer, leaves: &mut [Leaf], large: &[usize]) -> Result<()> {
    let unknown: Vec<usize> = large.iter().copied().filter(|place| leaves[*place].ends.is_none()).collect();
    let ranges: Vec<KeyRange> = unknown.iter().map(|place| leaves[*place].range.clone()).collect();
    for (place, ends) in unknown.into_iter().zip(server.ends(&ranges).await?) {
        match ends {
            Some(ends) => {
                let leaf = &mut leaves[place];
                if common_length(&ends.0, &ends.1) > leaf.stem {
                    leaf.attempts = 0;
                }
                leaf.ends = Some(ends);
            }
            // Its rows were deleted meanwhile.
            None => (leaves[place].weight, leaves[place].attempts) = (0.0, ATTEMPTS),
        }
    }
    Ok(())
}

/// Where to cut each of the large leaves, in the order of the keys; nothing for a leaf for which no cut was found this time.
async fn find_cuts(
    server: &mut impl KeyServer,
    leaves: &[Leaf],
    large: &[usize],
    limit: f64,
    alphabet: &mut Alphabet,
) -> Result<Vec<(usize, Vec<Key>)>> {
    let most = (DIVES_OF_ROUND / large.len().max(1)).clamp(2, MOST_PIECES);
    let mut cuts = Vec::new();
    let mut guessed: Vec<(usize, usize, Vec<Candidate>)> = Vec::new();
    let mut questions = 0;
    for place in large.iter().copied().filter(|place| !leaves[*place].is_solid()) {
        let leaf = &leaves[place];
        let Some((low, high)) = &leaf.ends else { continue };
        let wanted = (2.0 * leaf.weight / limit) as usize + 2;
        match (low, high) {
            (Key::Number(low), Key::Number(high)) => {
                let numbers = equal_cuts(*low, *high, wanted.clamp(2, most));
                cuts.push((place, numbers.into_iter().map(Key::Number).collect()));
            }
            _ if questions < DIVES_OF_ROUND => {
                let wanted = wanted.min(MOST_PIECES);
                let candidate = |cut| Candidate { low: low.clone(), high: high.clone(), cut };
                let guesses = guesses(low, high, leaf.attempts, wanted, alphabet);
                questions += guesses.len();
                guessed.push((place, wanted, guesses.into_iter().map(candidate).collect()));
            }
            // In the next round.
            _ => {}
        }
    }
    let all: Vec<Candidate> = guessed.iter().flat_map(|(_, _, candidates)| candidates).cloned().collect();
    let mut ranks = if all.is_empty() { Vec::new() } else { server.ranks(&all).await? }.into_iter();
    for (place, wanted, candidates) in guessed {
        let ranked = candidates.into_iter().zip(ranks.by_ref()).map(|(candidate, rank)| (candidate.cut, rank as f64));
        let ends = leaves[place].ends.as_ref();
        // What the estimate says of a cut that is not between the ends does not matter.
        let is_inside = |cut: &Key| {
            ends.is_none_or(|(low, high)| {
                low.order(cut).is_none_or(Ordering::is_lt) && cut.order(high).is_none_or(Ordering::is_le)
            })
        };
        let inside = ranked.filter(|(cut, rank)| *rank > 0.0 && is_inside(cut));
        let found = choose(inside.collect(), leaves[place].weight, wanted);
        if let Some((low, _)) = ends {
            found.iter().for_each(|cut| alphabet.learn(low, cut));
        }
        cuts.push((place, found));
    }
    cuts.sort_by_key(|(place, _)| *place);
    Ok(cuts)
}

/// Some of the cuts with about as many rows between one and the next, in order where we know it, else in the order of their ranks.
fn choose(ranked: Vec<(Key, f64)>, rows: f64, wanted: usize) -> Vec<Key> {
    let mut ranked = ranked;
    // Ranks are estimates, and none of them says which of two keys comes first. Of several with one rank one is as good as another:
    // InnoDB never estimates more than half of a table, so that beyond it all have one.
    ranked.sort_by(|(a, of_a), (b, of_b)| a.order(b).unwrap_or_else(|| of_a.total_cmp(of_b)));
    ranked.dedup_by(|(a, _), (b, _)| a == b);
    let step = rows / wanted as f64;
    let mut last = 0.0;
    let mut chosen = Vec::new();
    let mut spare = None;
    for (cut, rank) in ranked {
        if rank >= last + step {
            last = rank;
            chosen.push(cut);
        } else {
            spare = Some(cut);
        }
    }
    // Better one cut near an end than none.
    if chosen.is_empty() { spare.into_iter().collect() } else { chosen }
}

/// Puts pieces in the place of leaves.
async fn cut(
    server: &mut impl KeyServer,
    leaves: &mut Vec<Leaf>,
    cuts: Vec<(usize, Vec<Key>)>,
    limit: f64,
) -> Result<()> {
    let mut pieces: Vec<(usize, Vec<KeyRange>)> = Vec::new();
    for (place, cuts) in cuts {
        if cuts.is_empty() {
            leaves[place].attempts += 1;
            continue;
        }
        let range = &leaves[place].range;
        let starts = std::iter::once(range.from.clone()).chain(cuts.iter().cloned().map(Some));
        let ends = cuts.iter().cloned().map(Some).chain(std::iter::once(range.to.clone()));
        pieces.push((place, starts.zip(ends).map(|(from, to)| KeyRange { from, to }).collect()));
    }
    let all: Vec<KeyRange> = pieces.iter().flat_map(|(_, ranges)| ranges).cloned().collect();
    let mut rows = server.rows(&all).await?.into_iter();
    let mut counted: Vec<(usize, Vec<Leaf>)> = Vec::new();
    for (place, ranges) in pieces {
        let parent = leaves[place].clone();
        let stem = parent.ends.as_ref().map_or(0, |(low, high)| common_length(low, high));
        let piece = |(range, rows): (KeyRange, u64)| {
            let ends = ends_of_numbers(&range, parent.ends.as_ref());
            Leaf { range, weight: rows as f64, ends, attempts: 0, stem }
        };
        let pieces: Vec<Leaf> = ranges.into_iter().zip(rows.by_ref()).map(piece).collect();
        let mut joined = join_small(pieces, limit * SMALL);
        let sum: f64 = joined.iter().map(|leaf| leaf.weight).sum();
        // Numbers are nearer each time.
        for leaf in joined.iter_mut().filter(|leaf| leaf.ends.is_none() && leaf.weight > sum * MOST_OF_IT) {
            leaf.attempts = parent.attempts + 1;
        }
        counted.push((place, joined));
    }
    // From behind, so that the places of the others stay.
    for (place, pieces) in counted.into_iter().rev() {
        leaves.splice(place..=place, pieces);
    }
    Ok(())
}

/// Joins neighbours of few rows; and a piece of no rows, whose end is not behind its beginning, with the next.
fn join_small(pieces: Vec<Leaf>, limit: f64) -> Vec<Leaf> {
    let mut joined: Vec<Leaf> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if last.weight == 0.0 || piece.weight == 0.0 || last.weight + piece.weight <= limit => {
                last.weight += piece.weight;
                last.range.to = piece.range.to;
                last.ends = last.ends.take().zip(piece.ends).map(|((low, _), (_, high))| (low, high));
            }
            _ => joined.push(piece),
        }
    }
    joined
}

/// Of a range of numbers, the first and last that there could be.
fn ends_of_numbers(range: &KeyRange, parent: Option<&(Key, Key)>) -> Option<(Key, Key)> {
    let Some((Key::Number(low), Key::Number(high))) = parent else { return None };
    let low = match &range.from {
        Some(Key::Number(from)) => *from.max(low),
        _ => *low,
    };
    let high = match &range.to {
        Some(Key::Number(to)) => high.min(&(to - 1)).to_owned(),
        _ => *high,
    };
    Some((Key::Number(low), Key::Number(high.max(low))))
}

/// Makes the weights comparable: InnoDB counts the rows of a range of up to about ten pages, and for a longer one doubles what it
/// estimates from them. So about equal parts of all keys are estimated once more, and the leaves of each scaled to its estimate.
async fn calibrate(server: &mut impl KeyServer, leaves: &mut [Leaf], blocks: usize) -> Result<()> {
    let total: f64 = leaves.iter().map(|leaf| leaf.weight).sum();
    let places = groups(leaves, total / blocks as f64);
    let range = |places: &std::ops::Range<usize>| KeyRange {
        from: leaves[places.start].range.from.clone(),
        to: leaves[places.end - 1].range.to.clone(),
    };
    let ranges: Vec<KeyRange> = places.iter().map(range).collect();
    let rows = server.rows(&ranges).await?;
    for (places, rows) in places.into_iter().zip(rows) {
        let some = &mut leaves[places];
        let sum: f64 = some.iter().map(|leaf| leaf.weight).sum();
        // A lower estimate is one that was capped.
        let scale = if sum > 0.0 { (rows as f64 / sum).max(1.0) } else { 1.0 };
        some.iter_mut().for_each(|leaf| leaf.weight *= scale);
    }
    Ok(())
}

/// Neighbouring leaves that have about `target` rows together; a leaf with more is alone.
pub(super) fn groups(leaves: &[Leaf], target: f64) -> Vec<std::ops::Range<usize>> {
    let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
    let mut before = 0.0;
    let mut current = None;
    for (place, leaf) in leaves.iter().enumerate() {
        let is_heavy = leaf.weight >= target;
        let number = ((before + leaf.weight / 2.0) / target).floor();
        before += leaf.weight;
        match groups.last_mut() {
            Some(group) if !is_heavy && current == Some(number) => group.end = place + 1,
            _ => groups.push(place..place + 1),
        }
        current = (!is_heavy).then_some(number);
    }
    groups
}

#[cfg(test)]
pub(super) mod tests;
