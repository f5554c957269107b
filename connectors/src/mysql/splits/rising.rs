//! Pieces that cannot overlap: their bounds are known to rise, and each piece ends where the next begins.
//!
//! A server's estimates are no order. InnoDB estimates fewer rows for a range than for one inside it where its pages are filled unevenly,
//! so bounds that were found by estimates are compared with each other before anything is read between them.

use super::key::Key;
use super::server::{KeyRange, KeyServer};
use crate::error::{ConnectorError, Result};

/// How often the server is asked at most; behind the first bound that does not rise then nothing is cut.
const QUESTIONS: usize = 8;

/// What is known of the rows of a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rows {
    /// How many, in the server's estimate or some multiple of it.
    pub(super) weight: f64,
    /// Whether they have one value, or cannot be cut for another reason.
    pub(super) is_solid: bool,
}

/// Pieces of all rows of a table that have a key, in the order of their keys. Can only be had from [`check`](Self::check).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RisingPieces {
    /// The rows before the first bound.
    first: Rows,
    /// Bounds that rise, each with the rows from it to before the next.
    others: Vec<(Key, Rows)>,
}

impl RisingPieces {
    /// Pieces with these bounds but for those that do not rise strictly: their rows belong to the piece before.
    ///
    /// # Errors
    /// As the server says, which alone knows the order of text.
    pub(super) async fn check(server: &mut impl KeyServer, first: Rows, others: Vec<(Key, Rows)>) -> Result<Self> {
        let mut pieces = Self { first, others };
        for question in 1.. {
            let bounds: Vec<Key> = pieces.others.iter().map(|(bound, _)| bound.clone()).collect();
            let rising = rising(server, &bounds).await?;
            if rising.iter().all(|is_rising| *is_rising) {
                break;
            }
            if question == QUESTIONS {
                pieces.keep(&beginning(&rising));
                break;
            }
            pieces.keep(&trusted(&rising));
        }
        Ok(pieces)
    }

    /// Leaves bounds out.
    fn keep(&mut self, kept: &[bool]) {
        let all = std::mem::take(&mut self.others);
        for ((bound, rows), kept) in all.into_iter().zip(kept) {
            if *kept {
                self.others.push((bound, rows));
                continue;
            }
            let before = self.others.last_mut().map_or(&mut self.first, |(_, rows)| rows);
            *before = Rows { weight: before.weight + rows.weight, is_solid: false };
        }
    }

    /// How many pieces there are: at least one.
    pub(super) fn len(&self) -> usize {
        self.others.len() + 1
    }

    /// The rows of each piece, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Rows> {
        std::iter::once(self.first).chain(self.others.iter().map(|(_, rows)| *rows))
    }

    /// The keys of each piece, in order: the first range and the last are open, and each ends where the next begins.
    pub(super) fn ranges(&self) -> impl Iterator<Item = KeyRange> {
        let bounds = || self.others.iter().map(|(bound, _)| Some(bound.clone()));
        let (from, to) = (std::iter::once(None).chain(bounds()), bounds().chain(std::iter::once(None)));
        from.zip(to).map(|(from, to)| KeyRange { from, to })
    }
}

/// Whether each bound but the first is behind the one before it.
async fn rising(server: &mut impl KeyServer, bounds: &[Key]) -> Result<Vec<bool>> {
    let known: Option<Vec<bool>> =
        bounds.windows(2).map(|pair| pair[0].order(&pair[1]).map(|order| order.is_lt())).collect();
    let rising = match known {
        Some(rising) => rising,
        None => server.rising(bounds).await?,
    };
    if rising.len() != bounds.len().saturating_sub(1) {
        return Err(ConnectorError::internal("the server did not compare all bounds of splits"));
    }
    Ok(rising)
}

/// Which bounds are kept: of two that do not rise neither, as it is not known which of them is out of place.
fn trusted(rising: &[bool]) -> Vec<bool> {
    (0..=rising.len())
        .map(|place| {
            let behind = place == 0 || rising[place - 1];
            let before = rising.get(place).is_none_or(|is_rising| *is_rising);
            behind && before
        })
        .collect()
}

/// The bounds up to the first that does not rise.
fn beginning(rising: &[bool]) -> Vec<bool> {
    let count = rising.iter().take_while(|is_rising| **is_rising).count() + 1;
    (0..=rising.len()).map(|place| place < count).collect()
}

#[cfg(test)]
mod tests {
    use super::super::bisect::tests::MemoryServer;
    use super::*;

    async fn kept(bounds: Vec<Key>) -> Vec<Key> {
        let mut server = MemoryServer::new(Vec::new());
        let rows = Rows { weight: 1.0, is_solid: true };
        let count = bounds.len();
        let others = bounds.into_iter().map(|bound| (bound, rows)).collect();
        let pieces = RisingPieces::check(&mut server, rows, others).await.unwrap();
        assert_eq!(pieces.rows().map(|rows| rows.weight).sum::<f64>(), count as f64 + 1.0, "no row is left out");
        assert_eq!((pieces.rows().count(), pieces.ranges().count()), (pieces.len(), pieces.len()));
        let ranges: Vec<KeyRange> = pieces.ranges().collect();
        assert_eq!((&ranges[0].from, &ranges[ranges.len() - 1].to), (&None, &None));
        assert!(ranges.windows(2).all(|pair| pair[0].to.is_some() && pair[0].to == pair[1].from));
        ranges.into_iter().filter_map(|range| range.from).collect()
    }

    #[tokio::test]
    async fn bounds_that_do_not_rise_are_left_out_whatever_their_kind() {
        let number = |n: u8| Key::Number(i128::from(n));
        let bytes = |n: u8| Key::Bytes(vec![n]);
        // Small letters and capitals are one to the server of the tests, and digits come behind them.
        let text = |n: u8| Key::Text(char::from(n + b'a').to_string());
        for kind in [&number as &dyn Fn(u8) -> Key, &bytes, &text] {
            let of = |bounds: &[u8]| bounds.iter().map(|n| kind(*n)).collect::<Vec<_>>();
            assert_eq!(kept(of(&[1, 2, 5])).await, of(&[1, 2, 5]));
            assert_eq!(kept(of(&[1, 10, 5, 6, 7])).await, of(&[1, 6, 7]));
            assert_eq!(kept(of(&[1, 10, 12, 5, 11])).await, of(&[1, 10, 11]));
            assert_eq!(kept(of(&[3, 3])).await, of(&[]), "a bound that comes twice");
            assert_eq!(kept(of(&[9, 8, 7, 6])).await, of(&[]));
            assert_eq!(kept(of(&[])).await, of(&[]));
        }
        let texts = |texts: &[&str]| texts.iter().map(|text| Key::Text((*text).to_owned())).collect::<Vec<_>>();
        assert_eq!(kept(texts(&["a", "B", "c", "0"])).await, texts(&["a", "B", "c", "0"]));
        assert_eq!(kept(texts(&["a", "b", "B", "c"])).await, texts(&["a", "c"]));
    }

    #[tokio::test]
    async fn what_rises_after_few_questions_is_kept() {
        let run = |from: u32| (from..from + 60).filter_map(char::from_u32).map(|c| Key::Text(c.to_string()));
        // One of each run is left out at a time.
        let kept = kept(run(0x4f00).chain(run(0x4e00)).collect()).await;
        assert_eq!(kept, run(0x4f00).take(61 - QUESTIONS).collect::<Vec<_>>());
    }
}
