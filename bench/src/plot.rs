//! The plot: what one payment costs its server, on a logarithmic scale, in SVG.

use std::fmt::Write as _;

use crate::table::Table;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 400.0;
const RIGHT: f64 = 90.0;
const ROW: f64 = 26.0;
const TOP: f64 = 64.0;

/// Key, label and colour of each bar, in order; those that were not measured are left out.
const ROWS: [(&str, &str, &str); 20] = [
    ("floor_pay1_us", "the floor of a 1-coin payment", "#9aa5b1"),
    ("pay1_batch64_us", "Farthing: pay, 1 coin, in batches of 64", "#1f6f50"),
    ("pay2_batch64_us", "Farthing: pay, 2 coins, in batches of 64", "#1f6f50"),
    ("pay1_alone_us", "Farthing: pay, 1 coin, alone", "#1f6f50"),
    ("claim1_batch64_us", "Farthing: claim of 1 note, in batches of 64", "#1f6f50"),
    ("claim64_per_note_us", "Farthing: claim of 64 notes, per note", "#1f6f50"),
    ("redeemer_us_per_payment", "Farthing: all of the redeemer, TLS and store included", "#1f6f50"),
    ("rsa2048_sign_us", "blind RSA-2048: sign one token", "#b4632c"),
    ("rsa3072_sign_us", "blind RSA-3072: sign one token", "#b4632c"),
    ("cdk_swap10_memory_us", "cdk (Cashu): swap 10 → 10, in memory", "#b4632c"),
    ("cdk_swap10_sqlite_us", "cdk (Cashu): swap 10 → 10, SQLite", "#b4632c"),
    ("act32_us", "anonymous-credit-tokens, 32 bits: spend + refund", "#b4632c"),
    ("act64_us", "anonymous-credit-tokens, 64 bits: spend + refund", "#b4632c"),
    ("cmz_show_reissue_us", "cmz (µCMZ): show + reissue", "#b4632c"),
    ("cmz_show_reissue_range_us", "cmz (µCMZ): show + reissue, 32-bit range", "#b4632c"),
    ("cmz14_show_reissue_range_us", "cmz (CMZ14): show + reissue, 32-bit range", "#b4632c"),
    ("nym_verify1_us", "nym-compact-ecash: verify 1 ticket", "#b4632c"),
    ("wallet_pay1_us", "Farthing wallet: build a payment", "#4a6fa5"),
    ("wallet_scan_us", "Farthing wallet: try a note of somebody else", "#4a6fa5"),
    ("wallet_receive_us", "Farthing wallet: receive a note", "#4a6fa5"),
];

/// The plot of what was measured.
pub(crate) fn svg(table: &Table) -> String {
    let rows: Vec<_> =
        ROWS.iter().filter_map(|(key, label, colour)| Some((*label, *colour, table.get(key)?))).collect();
    let height = TOP + ROW * rows.len() as f64 + 40.0;
    let (low, high) = (1.0_f64, 6.0_f64.max(rows.iter().map(|row| row.2.log10()).fold(0.0, f64::max).ceil()));
    let x = |micros: f64| LEFT + (micros.max(10.0).log10() - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\">Processor time of one operation (µs, logarithmic)\
         </text>\n<text x=\"16\" y=\"46\" fill=\"#555\">{}</text>\n",
        escaped(&table.machine_line())
    );
    for power in 1..=(high as i32) {
        let (at, bottom) = (x(10_f64.powi(power)), TOP + ROW * rows.len() as f64);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            bottom + 18.0,
            10_u64.pow(power.unsigned_abs())
        );
    }
    for (place, (label, colour, micros)) in rows.iter().enumerate() {
        let y = TOP + ROW * place as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{micros:.0}</text>",
            LEFT - 8.0,
            y + 17.0,
            escaped(label),
            y + 5.0,
            x(*micros) - LEFT,
            x(*micros) + 6.0,
            y + 17.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
