/// A small deterministic source of random numbers: xoshiro256++, seeded by splitmix64.
///
/// Sources: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2019);
/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
#[derive(Debug, Clone)]
pub struct Noise {
    state: [u64; 4],
    spare_normal: Option<f32>,
}

impl Noise {
    /// Starts the sequence that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut counter = seed;
        let state = std::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (counter ^ (counter >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        });
        Self { state, spare_normal: None }
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [first, second, third, fourth] = self.state;
        let result = first.wrapping_add(fourth).rotate_left(23).wrapping_add(first);
        let third = third ^ first;
        let fourth = fourth ^ second;
        self.state = [first ^ fourth, second ^ third, third ^ (second << 17), fourth.rotate_left(45)];
        result
    }

    /// Returns a number in `0..end`.
    ///
    /// # Panics
    /// If `end` is zero.
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "there is no number below zero");
        // The bias of the remainder is far below what a test could notice.
        (self.bits() % end as u64) as usize
    }

    /// Returns a number in `(0, 1]`.
    fn unit(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 + 1.0) / (1_u32 << 24) as f32
    }

    /// Returns a number of the normal distribution with mean 0 and deviation 1 (Box-Muller).
    pub fn normal(&mut self) -> f32 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let radius = (-2.0 * self.unit().ln()).sqrt();
        let (sine, cosine) = (std::f32::consts::TAU * self.unit()).sin_cos();
        self.spare_normal = Some(radius * sine);
        radius * cosine
    }

    /// Fills `values` with normal numbers of the given deviation.
    pub fn fill_normal(&mut self, values: &mut [f32], deviation: f32) {
        for value in values {
            *value = self.normal() * deviation;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Noise;

    #[test]
    fn same_seed_gives_same_numbers() {
        let first: Vec<u64> = std::iter::repeat_with({
            let mut noise = Noise::new(7);
            move || noise.bits()
        })
        .take(4)
        .collect();
        let mut again = Noise::new(7);
        assert_eq!(first, std::iter::repeat_with(|| again.bits()).take(4).collect::<Vec<_>>());
        assert_ne!(first[0], Noise::new(8).bits());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut noise = Noise::new(1);
        let mut values = vec![0.0; 20_000];
        noise.fill_normal(&mut values, 1.0);
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }
}
