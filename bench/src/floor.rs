//! The floor: what no redeemer of this protocol can do without, from primitives measured in the same run.

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    ristretto::{CompressedRistretto, RistrettoPoint as Point},
    traits::VartimeMultiscalarMul,
};

use crate::{measure::micros, table::Table};

/// Points of the multiplication whose cost per point counts.
const SUM: u32 = 2_048;

/// Points compressed together.
const COMPRESSED: u32 = 64;

/// The primitives, in µs.
pub(crate) struct Primitives {
    decompress: f64,
    /// A point's part in a variable-time sum of 2,048 points.
    summed: f64,
    /// A multiplication of any point, in constant time.
    variable_base: f64,
    /// A multiplication of a public point by a public weight of 128 bits.
    weighted: f64,
    /// A multiplication of the base point by its table.
    fixed_base: f64,
    /// A point's part in the compression of 64.
    compress: f64,
}

/// What one transaction costs at least.
#[derive(Clone, Copy)]
pub(crate) struct Floor {
    /// Points read and multiplied.
    pub(crate) points: u32,
    /// Outputs signed.
    outputs: u32,
}

impl Primitives {
    pub(crate) fn measure() -> Self {
        let points: Vec<_> = (1..=SUM).map(|n| RistrettoPoint::mul_base(&Scalar::from(n))).collect();
        let scalars: Vec<_> = (1..=SUM).map(|n| Scalar::from(n).invert()).collect();
        let (point, scalar) = (points[7], scalars[9]);
        let encoded: Vec<_> = points.iter().map(RistrettoPoint::compress).collect();
        let weight = Scalar::from(u128::from_le_bytes([0xb5; 16]));
        let some: Vec<Point> = points.iter().take(COMPRESSED as usize).copied().collect();
        Self {
            // Many different ones, as a redeemer reads them, and after a sum: the first figure of a run is often too high.
            summed: micros(|| RistrettoPoint::vartime_multiscalar_mul(&scalars, &points)) / f64::from(SUM),
            decompress: micros(|| encoded.iter().filter_map(CompressedRistretto::decompress).count()) / f64::from(SUM),
            variable_base: micros(|| point * scalar),
            weighted: micros(|| RistrettoPoint::vartime_multiscalar_mul([weight], [point])),
            fixed_base: micros(|| RistrettoPoint::mul_base(&scalar)),
            compress: micros(|| RistrettoPoint::double_and_compress_batch(&some)) / f64::from(COMPRESSED),
        }
    }

    pub(crate) fn show(&self, table: &mut Table) {
        table.part("Primitives");
        table.row("decompress_us", "read a point", self.decompress, "µs");
        table.row("msm2048_per_point_us", "a sum of 2,048 points, per point", self.summed, "µs");
        table.row("variable_base_us", "multiply a point, constant time", self.variable_base, "µs");
        table.row("weighted_us", "multiply a public point by 128 bits", self.weighted, "µs");
        table.row("fixed_base_us", "multiply the base point", self.fixed_base, "µs");
        table.row("compress64_us", "write 64 points together, per point", self.compress, "µs");
    }
}

impl Floor {
    /// A payment: three points per input, two commitments; two equations per input and two more; 17 points of the range
    /// proof for two values. Two outputs.
    pub(crate) fn pay(coins: u32) -> Self {
        Self { points: (3 * coins + 2) + (2 * coins + 2) + 17, outputs: 2 }
    }

    /// A claim: the notes, the wallet state and the rule are inputs; eight commitments; two equations per input and twelve
    /// more; 19 points of the range proof for four values. Two outputs.
    pub(crate) fn claim(notes: u32) -> Self {
        let inputs = notes + 2;
        Self { points: (3 * inputs + 8) + (2 * inputs + 12) + 19, outputs: 2 }
    }

    /// µs. Per output the multiplication that signs it, that of the serial's generator, and two points written (`A`, `B`); per
    /// transaction what the transcript of the proof shows that all was signed under the published key (docs/WIRE.md): `A*`, the
    /// outputs' weighted sum whose first weight is one, `D* = x·A*`, `R1 = n·G`, `R2 = n·A*`, all four written.
    pub(crate) fn micros(self, primitives: &Primitives) -> f64 {
        let Primitives { decompress, summed, variable_base, weighted, fixed_base, compress } = primitives;
        let outputs = f64::from(self.outputs);
        f64::from(self.points) * (decompress + summed)
            + (outputs + 2.0) * variable_base
            + (outputs - 1.0) * weighted
            + (outputs + 1.0) * fixed_base
            + (2.0 * outputs + 4.0) * compress
    }

    /// What is counted, for the table.
    pub(crate) fn describe(self) -> String {
        let Self { points, outputs } = self;
        let (any, short, fixed, written) = (outputs + 2, outputs - 1, outputs + 1, 2 * outputs + 4);
        format!(
            "{points} points read and summed, {any} + {short} short + {fixed} fixed multiplications, {written} points written"
        )
    }
}
