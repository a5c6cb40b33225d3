//! A payer shows others that a payment was made, and they need to ask nobody.

use farthing_wallet::{Wallet, receipt};

use super::{Failure, Script};

impl Script<'_> {
    /// The payment is the entry at `index` of the payment log.
    pub(super) async fn prove_payment(&mut self, index: u64) -> Result<(), Failure> {
        self.title("11. Alice makes a receipt for her first payment; anybody can check it without asking anybody")?;
        let make = async |wallet: &Wallet| {
            let history = wallet.history(None, 100).await;
            let payment = history.items.into_iter().find(|item| item.log_index == Some(index) && item.memo == "lunch");
            let id = payment.and_then(|item| item.transaction_id);
            let text = match id {
                Some(id) => Some((id, wallet.receipt(id).await?)),
                None => None,
            };
            Ok((text, wallet.standing().await?.policy))
        };
        let (made, trust) = self.with("alice", make).await?;
        let (id, text) = made.ok_or("the payment is not in Alice's history")?;
        let proven = receipt::verify(&text, &trust)?;
        check!(proven.transaction_id == id && proven.index == index, "the receipt is of another transaction");
        check!(proven.statement == "pay" && proven.amount.is_none(), "the receipt shows {proven:?}");
        // One character changed, in each line.
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let mut altered = text.clone().into_bytes();
            if let Some(byte) = altered.get_mut(at + line.trim_end().len() / 2) {
                *byte = if *byte == b'A' { b'B' } else { b'A' };
            }
            let altered = String::from_utf8(altered)?;
            check!(receipt::verify(&altered, &trust).is_err(), "an altered receipt was believed: {line}");
            at += line.len();
        }
        self.say(&format!(
            "It is entry {index} of {} in {}, of {}: a payment, and neither by whom, to whom nor of how much.",
            proven.log_size, proven.origin, proven.day
        ))?;
        self.say(&format!("{} bytes, checked offline; with any line altered it is refused.", text.len()))?;
        self.ok("receipt-verified")
    }
}
