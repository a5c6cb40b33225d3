//! The library's generators: `H_value` and the masks, and two for every bit.

use std::sync::LazyLock;

use curve25519_dalek::RistrettoPoint;
use tari_bulletproofs_plus::{
    PedersenGens, generators::pedersen_gens::ExtensionDegree, range_parameters::RangeParameters,
};

use super::{BITS, COUNTER_MASKS, MONEY_MASKS, Shape, VALUES_MAX};
use crate::params::Generator;

/// Generators for up to `values` aggregated values.
#[allow(clippy::expect_used)] // fixed arguments that the library accepts
fn parameters(masks: &[Generator], values: usize) -> RangeParameters<RistrettoPoint> {
    let gens = PedersenGens {
        h_base: Generator::Value.point(),
        h_base_compressed: Generator::Value.encoding(),
        g_base_vec: masks.iter().map(|mask| mask.point()).collect(),
        g_base_compressed_vec: masks.iter().map(|mask| mask.encoding()).collect(),
        extension_degree: ExtensionDegree::try_from(masks.len()).expect("one to six masks"),
    };
    RangeParameters::init(BITS, values, gens).expect("a power of two")
}

static MONEY: LazyLock<RangeParameters<RistrettoPoint>> = LazyLock::new(|| parameters(&MONEY_MASKS, 2));
static COUNTERS: LazyLock<RangeParameters<RistrettoPoint>> = LazyLock::new(|| parameters(&COUNTER_MASKS, VALUES_MAX));

impl Shape {
    /// What the library's prover asks for.
    pub(super) fn parameters(self) -> &'static RangeParameters<RistrettoPoint> {
        if self.degree() == 6 { &MONEY } else { &COUNTERS }
    }
}

static BIT_GENERATORS: LazyLock<Vec<RistrettoPoint>> =
    LazyLock::new(|| COUNTERS.gi_base_iter().zip(COUNTERS.hi_base_iter()).flat_map(|(G, H)| [*G, *H]).collect());

/// The generators of the bits, `G_0, H_0, G_1, H_1, …`. Money and counters share them: those of fewer values are the
/// first of those of more.
pub(crate) fn bit_generators() -> &'static [RistrettoPoint] {
    &BIT_GENERATORS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_counters_share_the_generators_of_bits() {
        let counters = bit_generators();
        assert_eq!(counters.len(), 2 * BITS * VALUES_MAX);
        let money = MONEY.gi_base_iter().zip(MONEY.hi_base_iter()).flat_map(|(G, H)| [*G, *H]);
        assert_eq!(money.collect::<Vec<_>>(), counters[..2 * BITS * 2]);
    }
}
