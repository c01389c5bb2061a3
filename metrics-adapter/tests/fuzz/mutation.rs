/// Makes inputs out of seeds: some bytes of one, some of another, a word here and there, a flipped bit.
pub(crate) struct Mutation<'a> {
    state: u64,
    seeds: &'a [&'a [u8]],
    words: &'a [&'a str],
}

impl<'a> Mutation<'a> {
    pub(crate) fn new(seed: u64, seeds: &'a [&'a [u8]], words: &'a [&'a str]) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, seeds, words }
    }

    /// Below `bound`, which is more than 0.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 16).unwrap() % bound
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.seeds[self.below(self.seeds.len())].to_vec();
        // A part of a long seed is as telling as the whole, and sooner read.
        if input.len() > 200 {
            let start = self.below(input.len());
            input.drain(..start);
            input.truncate(600);
        }
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let place = self.below(input.len() + 1);
        let length = self.below(input.len() - place + 1).min(1 + self.below(40));
        match self.below(7) {
            0 => drop(input.drain(place..place + length)),
            1 => {
                let copy = input[place..place + length].to_vec();
                let copies = 1 + self.below(4);
                (0..copies).for_each(|_| drop(input.splice(place..place, copy.iter().copied())));
            }
            2 => {
                let other = self.seeds[self.below(self.seeds.len())];
                let start = self.below(other.len());
                let end = (start + 1 + self.below(60)).min(other.len());
                input.splice(place..place + length, other[start..end].iter().copied());
            }
            3 if place < input.len() => input[place] ^= 1 << self.below(8),
            4 => input.truncate(place),
            _ => {
                let word = self.words[self.below(self.words.len())];
                input.splice(place..place, word.bytes());
            }
        }
    }
}
