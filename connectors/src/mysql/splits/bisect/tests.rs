//! The bisection against a server in memory, which has an order and estimates of its own.

use super::*;
use crate::mysql::splits::join;
use crate::mysql::splits::rising::RisingPieces;
use crate::mysql::splits::server::Spent;

/// Sorted keys, compared as a server does that knows no case; estimates are doubled beyond a few pages, and never over half of the table.
pub(in crate::mysql::splits) struct MemoryServer {
    keys: Vec<Key>,
    /// What the server compares them by.
    weights: Vec<(Vec<u32>, i128)>,
    exact_below: usize,
    /// Makes each estimate up to 30 % wrong, so that a range may have fewer rows than one inside it.
    noise: Option<Numbers>,
    spent: Spent,
}

fn weight(key: &Key) -> (Vec<u32>, i128) {
    match key {
        Key::Number(number) => (Vec::new(), *number),
        // Digits come after letters, so that no order of bytes is right by chance.
        Key::Text(text) => {
            let place = |c: char| {
                let c = c.to_ascii_lowercase();
                if c.is_ascii_digit() { u32::from(c) + 0x10000 } else { u32::from(c) }
            };
            (text.trim_end_matches(' ').chars().map(place).collect(), 0)
        }
        Key::Bytes(bytes) => (bytes.iter().map(|byte| u32::from(*byte)).collect(), 0),
    }
}

impl MemoryServer {
    pub(in crate::mysql::splits) fn new(mut keys: Vec<Key>) -> Self {
        keys.sort_by_cached_key(weight);
        let weights = keys.iter().map(weight).collect();
        Self { keys, weights, exact_below: 1000, noise: None, spent: Spent::default() }
    }

    fn noisy(keys: Vec<Key>, seed: u64) -> Self {
        Self { noise: Some(Numbers(seed)), ..Self::new(keys) }
    }

    fn place(&self, key: &Key) -> usize {
        let wanted = weight(key);
        self.weights.partition_point(|weight| *weight < wanted)
    }

    fn places(&self, range: &KeyRange) -> std::ops::Range<usize> {
        let from = range.from.as_ref().map_or(0, |from| self.place(from));
        let to = range.to.as_ref().map_or(self.keys.len(), |to| self.place(to));
        from..to.max(from)
    }

    fn count(&self, range: &KeyRange) -> usize {
        self.places(range).len()
    }

    fn estimate(&mut self, range: &KeyRange) -> u64 {
        if let (Some(from), Some(to)) = (&range.from, &range.to)
            && weight(from) >= weight(to)
        {
            return 0;
        }
        let rows = self.count(range).max(1);
        let estimate = if rows < self.exact_below { rows } else { (2 * rows).min((self.keys.len() / 2).max(1)) };
        let percent = self.noise.as_mut().map_or(100, |noise| 70 + noise.next() as usize % 61);
        (estimate * percent / 100).max(1) as u64
    }

    fn dive(&mut self, dives: usize) {
        self.spent.dives += dives as u32;
        self.spent.statements += dives.div_ceil(32) as u32;
    }
}

impl KeyServer for MemoryServer {
    async fn rows(&mut self, ranges: &[KeyRange]) -> Result<Vec<u64>> {
        self.dive(ranges.len());
        Ok(ranges.iter().map(|range| self.estimate(range)).collect())
    }

    async fn ends(&mut self, ranges: &[KeyRange]) -> Result<Vec<Option<(Key, Key)>>> {
        self.spent.statements += ranges.len().div_ceil(16) as u32;
        self.spent.rows_read += 2 * ranges.len() as u32;
        let ends = |range: &KeyRange| {
            let keys = &self.keys[self.places(range)];
            keys.first().cloned().zip(keys.last().cloned())
        };
        Ok(ranges.iter().map(ends).collect())
    }

    async fn ranks(&mut self, candidates: &[Candidate]) -> Result<Vec<u64>> {
        self.dive(candidates.len());
        let rank = |candidate: &Candidate| {
            if weight(&candidate.cut) > weight(&candidate.high) {
                return 0;
            }
            self.estimate(&KeyRange { from: Some(candidate.low.clone()), to: Some(candidate.cut.clone()) })
        };
        Ok(candidates.iter().map(rank).collect())
    }

    async fn rising(&mut self, keys: &[Key]) -> Result<Vec<bool>> {
        self.spent.statements += 1;
        Ok(keys.windows(2).map(|pair| weight(&pair[0]) < weight(&pair[1])).collect())
    }

    fn spent(&self) -> Spent {
        self.spent
    }
}

/// A small generator of numbers that are the same on every run (Steele and others, SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Rows of the splits that are planned, in order; checks that the leaves' bounds rise, that every key is in one split and what it cost.
async fn sizes(keys: Vec<Key>, splits: usize) -> Vec<usize> {
    let mut server = MemoryServer::new(keys);
    let rows = server.keys.len() as u64;
    let leaves = leaves(&mut server, rows, splits).await.unwrap().unwrap();
    let bounds: Vec<_> = leaves.iter().filter_map(|leaf| leaf.range.from.as_ref()).map(weight).collect();
    assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "the bounds do not rise");
    sizes_of_pieces(server, &leaves, splits).await
}

/// As [`sizes`], of a server whose estimates are noisy.
async fn noisy_sizes(keys: Vec<Key>, splits: usize, seed: u64) -> Vec<usize> {
    let mut server = MemoryServer::noisy(keys, seed);
    let rows = server.keys.len() as u64;
    let leaves = leaves(&mut server, rows, splits).await.unwrap().unwrap();
    sizes_of_pieces(server, &leaves, splits).await
}

async fn sizes_of_pieces(mut server: MemoryServer, leaves: &[Leaf], splits: usize) -> Vec<usize> {
    assert_eq!(leaves[0].range.from, None);
    assert_eq!(leaves[leaves.len() - 1].range.to, None);
    for pair in leaves.windows(2) {
        assert_eq!(pair[0].range.to, pair[1].range.from);
        assert!(pair[0].range.to.is_some());
    }
    let (first, others) = join(leaves, splits).unwrap();
    let pieces = RisingPieces::check(&mut server, first, others).await.unwrap();
    let spent = server.spent();
    assert!(spent.statements <= 198 && spent.rows_read <= 1000, "{spent:?}");
    let sizes: Vec<usize> = pieces.ranges().map(|range| server.count(&range)).collect();
    assert_eq!(sizes.iter().sum::<usize>(), server.keys.len(), "a key is in no split, or in two");
    sizes
}

fn assert_even(sizes: &[usize], wanted: usize, what: &str) {
    let (most, total) = (sizes.iter().max().unwrap(), sizes.iter().sum::<usize>());
    assert!(most * sizes.len() <= 2 * total, "{what}: the largest of {} is {most} of {total}: {sizes:?}", sizes.len());
    assert!(sizes.len() >= wanted / 2 && sizes.len() <= 2 * wanted, "{what}: {} splits, {wanted} wanted", sizes.len());
}

fn numbers(numbers: impl IntoIterator<Item = i128>) -> Vec<Key> {
    numbers.into_iter().map(Key::Number).collect()
}

#[tokio::test]
async fn numbers_of_every_spread_make_even_splits() {
    let mut random = Numbers(1);
    let spreads: Vec<(&str, Vec<i128>)> = vec![
        ("dense", (0..100_000).collect()),
        ("negative", (-50_000..50_000).collect()),
        (
            "two clusters at the ends of BIGINT",
            (0..50_000).flat_map(|n| [i128::from(i64::MIN) + n, i128::from(i64::MAX) - n]).collect(),
        ),
        ("exponential", (0..100_000).map(|n: i32| (1.0004_f64.powi(n)) as i128 + i128::from(n)).collect()),
        ("holes", (0..100_000).filter(|n| n / 1000 % 7 != 0).map(|n| n * 17).collect()),
        ("random", (0..100_000).map(|_| i128::from(random.next())).collect()),
        ("many clusters", (0..100_000).map(|n: i128| i128::from(Numbers(n as u64 / 1500).next()) + n % 1500).collect()),
    ];
    for (what, keys) in spreads {
        for splits in [2, 3, 16, 32] {
            assert_even(&sizes(numbers(keys.clone()), splits).await, splits, &format!("{what}, {splits}"));
        }
    }
}

#[tokio::test]
async fn text_is_cut_in_the_servers_order() {
    let mut random = Numbers(2);
    let mut uuid = |n: usize| {
        let text = format!("{:016x}{:016x}", random.next(), random.next());
        if n.is_multiple_of(2) { text } else { text.to_uppercase() }
    };
    let spreads: Vec<(&str, Vec<String>)> = vec![
        ("uuid of both cases", (0..50_000).map(&mut uuid).collect()),
        ("numbers as text", (0..50_000).map(|n| n.to_string()).collect()),
        ("a long common beginning", (0..50_000).map(|n| format!("customer-of-the-shop-{n:09}")).collect()),
        ("an outlier at each end", (0..50_000).map(|n| format!("mmm{n}")).chain(["A".into(), "99".into()]).collect()),
        (
            "chinese and emoji",
            (0..50_000)
                .map(|n| {
                    format!("{}{}", char::from_u32(0x4e00 + n % 20_000).unwrap(), ["😀", "é", "z"][n as usize % 3])
                })
                .collect(),
        ),
        ("words and spaces", (0..50_000).map(|n| format!("{} {} ", ["ab", "Ac", "ba", "Za"][n % 4], n / 4)).collect()),
    ];
    for (what, keys) in spreads {
        for splits in [3, 16] {
            let keys = keys.iter().cloned().map(Key::Text).collect();
            assert_even(&sizes(keys, splits).await, splits, &format!("{what}, {splits}"));
        }
    }
}

/// Digits behind a common beginning: few letters are tried in vain.
#[tokio::test]
async fn many_rows_of_numbered_text_cost_few_questions() {
    let mut server = MemoryServer::new((0..200_000).map(|n| Key::Text(format!("order/{n}"))).collect());
    let leaves = leaves(&mut server, 200_000, 32).await.unwrap().unwrap();
    assert!(leaves.len() >= 64, "{}", leaves.len());
    assert!(server.spent().statements < 100, "{:?}", server.spent());
}

#[tokio::test]
async fn bytes_are_cut() {
    let mut random = Numbers(3);
    let keys = (0..50_000).map(|_| Key::Bytes(random.next().to_be_bytes().to_vec())).collect();
    assert_even(&sizes(keys, 16).await, 16, "random bytes");
}

#[tokio::test]
async fn one_value_of_half_of_the_rows_is_a_split_of_its_own() {
    let mut random = Numbers(4);
    let keys: Vec<i128> =
        (0..100_000).map(|n| if n % 2 == 0 { 77 } else { i128::from(random.next() % 1000) }).collect();
    let sizes = sizes(numbers(keys), 16).await;
    let heavy = *sizes.iter().max().unwrap();
    assert!((50_000..60_000).contains(&heavy), "{sizes:?}");
    let others: Vec<usize> = sizes.iter().copied().filter(|size| *size != heavy).collect();
    assert!(others.iter().all(|size| *size <= 2 * 100_000 / 16), "{sizes:?}");
    assert!(others.len() >= 6, "{sizes:?}");
}

#[tokio::test]
async fn a_table_of_one_value_or_none_is_not_cut() {
    assert_eq!(sizes(numbers(vec![5; 30_000]), 8).await, [30_000]);
    assert_eq!(sizes(vec![Key::Text("same".into()); 30_000], 8).await, [30_000]);
    assert!(leaves(&mut MemoryServer::new(Vec::new()), 0, 8).await.unwrap().is_none());
}

/// Rows of the value that most rows have.
fn heaviest(keys: &[Key]) -> usize {
    let mut weights: Vec<_> = keys.iter().map(weight).collect();
    weights.sort();
    weights.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0)
}

async fn assert_any_spread(keys: Vec<Key>, splits: usize, what: &str) {
    let (heaviest, rows) = (heaviest(&keys), keys.len());
    let sizes = sizes(keys, splits).await;
    let most = sizes.iter().max().unwrap();
    let bound = 2 * rows / sizes.len().min(splits) + heaviest;
    assert!(*most <= bound, "{what}: {most} of {rows} rows in one of {} splits: {sizes:?}", sizes.len());
}

#[tokio::test]
async fn numbers_of_any_spread_are_in_one_split_each() {
    for seed in 0..24 {
        let mut random = Numbers(seed);
        let clusters: Vec<(i128, u32)> = (0..1 + random.next() % 6)
            .map(|_| (i128::from(random.next().cast_signed()), (random.next() % 50) as u32))
            .collect();
        let mut key = || {
            let (start, bits) = clusters[random.next() as usize % clusters.len()];
            start + i128::from(random.next() % (1 << bits))
        };
        let keys = numbers((0..30_000).map(|_| key()).collect::<Vec<_>>());
        assert_any_spread(keys, 2 + seed as usize % 31, &format!("seed {seed}")).await;
    }
}

#[tokio::test]
async fn text_of_any_spread_is_in_one_split_each() {
    let alphabets = ["0123456789abcdef", "ABCabcxyz", "aé表😀", "01", " -/.ab", "αβγδабвг"];
    for seed in 0..12 {
        let mut random = Numbers(seed);
        let alphabet: Vec<char> = alphabets[seed as usize % alphabets.len()].chars().collect();
        let stems: Vec<String> = (0..1 + random.next() % 3).map(|n| "customer/".repeat(n as usize)).collect();
        let mut key = || {
            let mut text = stems[random.next() as usize % stems.len()].clone();
            let length = 8 + random.next() % 12;
            text.extend((0..length).map(|_| alphabet[random.next() as usize % alphabet.len()]));
            Key::Text(text)
        };
        let keys = (0..30_000).map(|_| key()).collect();
        assert_any_spread(keys, 2 + seed as usize % 15, &format!("seed {seed}")).await;
    }
}

/// A split more or less even is all that estimates decide: with any of them every key is in one split.
#[tokio::test]
async fn estimates_that_do_not_rise_with_the_range_double_no_row() {
    for seed in 0..20 {
        let mut random = Numbers(seed);
        let kinds: [(&str, Vec<Key>); 5] = [
            ("numbers", numbers((0..20_000).map(|_| i128::from(random.next().cast_signed())))),
            ("bytes", (0..20_000).map(|_| Key::Bytes(random.next().to_be_bytes().to_vec())).collect()),
            (
                "bytes of any length",
                (0..20_000)
                    .map(|n| Key::Bytes(random.next().to_be_bytes()[..1 + n % 8].iter().map(|byte| byte % 7).collect()))
                    .collect(),
            ),
            ("text", (0..20_000).map(|_| Key::Text(format!("{:016x}", random.next()))).collect()),
            ("numbers as text", (0..20_000).map(|n| Key::Text(format!("order/{n}"))).collect()),
        ];
        for (kind, keys) in kinds {
            let sizes = noisy_sizes(keys, 32, seed + 100).await;
            assert!(sizes.len() >= 8, "{kind}, seed {seed}: {sizes:?}");
            let most = sizes.iter().max().unwrap();
            assert!(*most <= 5_000, "{kind}, seed {seed}: {sizes:?}");
        }
    }
}
