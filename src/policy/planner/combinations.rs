//! Choosing some of many.

/// All ways to choose `size` of `count` places, in order.
pub(super) struct Combinations {
    count: usize,
    next: Option<Vec<usize>>,
}

impl Combinations {
    pub(super) fn new(count: usize, size: usize) -> Self {
        Self { count, next: (size <= count).then(|| (0..size).collect()) }
    }

    /// How many ways there are to choose at most `size` of `count` places.
    pub(super) fn up_to(count: usize, size: usize) -> u64 {
        let (mut ways, mut all) = (1_u64, 0_u64);
        for chosen in 1..=size.min(count) {
            let (left, chosen) = (u64::try_from(count - chosen + 1), u64::try_from(chosen));
            ways = ways.saturating_mul(left.unwrap_or(u64::MAX)) / chosen.unwrap_or(1).max(1);
            all = all.saturating_add(ways);
        }
        all
    }
}

impl Iterator for Combinations {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let current = self.next.take()?;
        let size = current.len();
        // The last place that can still move; those after it follow.
        let movable = current.iter().enumerate().rev().find(|(i, place)| **place < self.count - size + i);
        if let Some((i, place)) = movable {
            let tail = (1..=size - i).map(|step| place + step);
            self.next = Some(current.iter().take(i).copied().chain(tail).collect());
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_complete_and_in_order() {
        let all: Vec<_> = Combinations::new(4, 2).collect();
        assert_eq!(all, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(Combinations::new(3, 3).count(), 1);
        assert_eq!(Combinations::new(2, 3).count(), 0);
        assert_eq!(Combinations::new(6, 3).count(), 20);
        assert_eq!(Combinations::new(5, 0).collect::<Vec<_>>(), [[0_usize; 0]]);
    }

    #[test]
    fn they_are_counted_as_they_are_listed() {
        for count in 0..9 {
            for size in 0..=count + 1 {
                let listed: usize = (1..=size).map(|size| Combinations::new(count, size).count()).sum();
                assert_eq!(Combinations::up_to(count, size), listed as u64, "{count} {size}");
            }
        }
    }
}
