//! Somebody who trusts neither server checks everything that they have written.

use farthing_ecash::amount::Amount;
use farthing_follower::{audit::LogAudit, log::Log};

use super::{Failure, Script};

impl Script<'_> {
    pub(super) async fn follow(&mut self) -> Result<(), Failure> {
        self.title("13. A follower reads both public logs and verifies everything in them, with public data alone")?;
        let sizes = [self.cluster.issuance_log_size().await?, self.cluster.payment_log_size().await?];
        let mut follower = self.cluster.start_follower()?;
        let audit = follower.verified(sizes).await?;
        check!(audit.finding.is_none(), "the follower found {:?}", audit.finding);
        for (log, LogAudit { entries, root, .. }) in &audit.logs {
            self.say(&format!("{log}: {entries} entries verified, root {root}"))?;
        }
        let money = |amount: u128| u64::try_from(amount).map(Amount::new);
        let (withdrawn, redeemed, fees) = (money(audit.withdrawn)?, money(audit.redeemed)?, money(audit.fees)?);
        let supply = self.cluster.supply().await?;
        check!(withdrawn == supply.withdrawn, "the logs say that {} were withdrawn", self.show(withdrawn));
        check!(redeemed == supply.redeemed, "the logs say that {} were redeemed", self.show(redeemed));
        check!(fees == self.cluster.fees().await?, "the logs say that {} of fees were paid", self.show(fees));
        self.say(&format!(
            "{} withdrawn, {} redeemed, {} of fees, {} wallets, {} policy: as the issuer's books say.",
            self.show(withdrawn),
            self.show(redeemed),
            self.show(fees),
            audit.wallets,
            audit.policies.len()
        ))?;
        // The servers give its cosignature out, and it serves the copy itself.
        for (log, size) in Log::ALL.into_iter().zip(sizes) {
            for witness in [self.cluster.cosigned(log).await?, self.cluster.cosigned_at_follower(log).await?] {
                check!(witness >= size, "the newest cosigned checkpoint of the {log} log has {witness} entries");
            }
        }
        self.say(
            "It cosigned both checkpoints; the servers give the cosignatures out, and it serves the copy itself.",
        )?;
        follower.stop().await?;
        self.ok("follower-verified")
    }
}
