//! Money for a purpose, and what months bring. A town of its own, with a clock that only this demo sets.

use std::{sync::Arc, time::Duration};

use farthing_ecash::{amount::Amount, identity::Identity, statement::Statement};
use farthing_service::clock::ManualClock;
use farthing_wallet::{OperationState, Options, PendingReason, Receipt, RenewOutcome, RequestId, Wallet, WalletError};
use zeroize::Zeroizing;

use super::{Failure, Script};
use crate::cluster::{Cluster, Setup};

/// Who is paid by an employer, partly in money for meals.
const EVA: &str = "eva@works.example";
/// Accepts money for meals.
const GROCER: &str = "shop@grocer.example";
/// Does not.
const BOOKSHOP: &str = "shop@books.example";
/// May receive 10.00 a day.
const BEN: &str = "ben@works.example";

/// From 20 November to 1 February.
const TO_FEBRUARY_DAYS: u64 = 73;

/// 2026-11-20 12:00 in Luxembourg (UTC+1), when this story begins.
const NOON: i64 = 1_795_172_400;

/// The second cluster while its scenes run.
struct Town<'a> {
    script: Script<'a>,
    /// The time of its servers and wallets.
    clock: Arc<ManualClock>,
}

impl Script<'_> {
    /// The scenes that need another policy and a clock that can be set.
    pub(super) async fn live(&mut self) -> Result<(), Failure> {
        self.title("Another town, with money for a purpose. Its servers and wallets have a clock that this demo sets")?;
        let clock = Arc::new(ManualClock::new(NOON));
        let dir = self.dir.join("life");
        let setup = Setup { clock: clock.clone(), ..Setup::with_policy(include_str!("life.toml")) };
        let script = Script {
            out: &mut *self.out,
            cluster: Cluster::start(&dir, setup).await?,
            dir,
            currency: self.currency.clone(),
            options: Options { clock: clock.clone(), ..Options::default() },
            words: Zeroizing::default(),
            verified: self.verified,
        };
        let mut town = Town { script, clock };
        town.script.say("Payments that nobody claims can be taken back by their payer after two months.")?;
        for (name, identity, class) in
            [("eva", EVA, "person"), ("grocer", GROCER, "grocer"), ("bookshop", BOOKSHOP, "bookshop")]
        {
            town.script.register_one(name, identity, class).await?;
        }

        town.accept_voucher().await?;
        town.refuse_voucher().await?;
        town.take_back().await?;
        town.claim_in_parts().await?;
        let Script { cluster, verified, .. } = town.script;
        self.verified = verified;
        cluster.stop().await
    }
}

impl Town<'_> {
    /// Pays with money for meals.
    async fn pay_for_meal(&self, to: &str, amount: Amount, memo: &str) -> Result<Receipt, Failure> {
        let payee = Identity::parse(to)?;
        let pay = async |wallet: &Wallet| wallet.pay_for("meal", &payee, amount, memo, RequestId::random()).await;
        let receipt = self.script.with("eva", pay).await?;
        check!(receipt.item.state == OperationState::Done, "the payment is not finished: {:?}", receipt.delay);
        Ok(receipt)
    }

    async fn accept_voucher(&mut self) -> Result<(), Failure> {
        let script = &mut self.script;
        script.title("14. Eva's employer credits 12.00 EUR for meals; she eats for 4.50 EUR at the grocer's")?;
        script.cluster.credit_for("meal", EVA, script.eur("12.00")?).await?;
        let amount = script.eur("12.00")?;
        let withdraw = async |wallet: &Wallet| {
            wallet.withdraw_for("meal", amount, RequestId::random()).await?;
            Ok(wallet.balance().await)
        };
        let balance = script.with("eva", withdraw).await?;
        let [meal] = balance.restricted.as_slice() else { return Err("there is no money for meals".into()) };
        check!(
            balance.available == Amount::ZERO && meal.purpose == "meal" && meal.amount == amount,
            "Eva holds {balance:?}"
        );
        script.tell_seen(Statement::Withdraw).await?;
        // It can neither be taken for something else unasked, nor redeemed.
        let (grocer, one) = (Identity::parse(GROCER)?, script.eur("1.00")?);
        let refused = async |wallet: &Wallet| {
            let paid = wallet.pay(&grocer, one, "", RequestId::random()).await;
            let redeemed = wallet.redeem(one, RequestId::random()).await;
            Ok((paid, redeemed))
        };
        let (paid, redeemed) = script.with("eva", refused).await?;
        check!(matches!(paid, Err(WalletError::OtherPurpose { .. })), "it was paid for anything: {paid:?}");
        check!(matches!(redeemed, Err(WalletError::NotRedeemable { .. })), "it was redeemed: {redeemed:?}");

        let price = script.eur("4.50")?;
        let receipt = self.pay_for_meal(GROCER, price, "lunch").await?;
        let script = &mut self.script;
        check!(receipt.available == script.eur("7.49")?, "Eva has {} for meals", script.show(receipt.available));
        script.tell_seen(Statement::Pay).await?;
        let take = async |wallet: &Wallet| {
            let report = wallet.receive().await?;
            Ok((report, wallet.balance().await))
        };
        let (report, balance) = script.with("grocer", take).await?;
        let [payment] = report.claimed.as_slice() else {
            return Err(format!("the grocer claimed {} payments", report.claimed.len()).into());
        };
        check!(payment.purpose == "meal" && payment.amount == price, "the grocer got another payment: {payment:?}");
        check!(
            balance.available == price && balance.restricted.is_empty(),
            "what the grocer holds is {balance:?}, and not money for anything"
        );
        script.tell_seen(Statement::Claim).await?;
        script.say("What the grocer holds is money for anything, as the policy says; Eva keeps 7.49 EUR for meals.")?;

        let redeem = async |wallet: &Wallet| wallet.redeem(price, RequestId::random()).await;
        let receipt = script.with("grocer", redeem).await?;
        check!(receipt.item.state == OperationState::Done, "the redemption is not finished: {:?}", receipt.delay);
        script.cluster.wait_until_paid_out().await?;
        let balance = script.cluster.account_balance(GROCER).await?;
        check!(balance == price, "the grocer's account holds {}", script.show(balance));
        script.say(&format!("The grocer redeems it: {} are in the account.", script.show(balance)))?;
        script.ok("voucher-accepted")
    }

    async fn refuse_voucher(&mut self) -> Result<(), Failure> {
        self.script.title("15. Eva pays 3.00 EUR of it to the bookshop, which may not receive money for meals")?;
        let price = self.script.eur("3.00")?;
        self.pay_for_meal(BOOKSHOP, price, "a novel").await?;
        let script = &mut self.script;
        script.tell_seen(Statement::Pay).await?;
        let size = script.cluster.payment_log_size().await?;
        let report = script.with("bookshop", async |wallet: &Wallet| wallet.receive().await).await?;
        let [pending] = report.pending.as_slice() else {
            return Err(format!("{} payments are pending", report.pending.len()).into());
        };
        check!(report.claimed.is_empty(), "the bookshop claimed money for meals");
        check!(pending.reason == PendingReason::NotAllowed, "it is pending because of {:?}", pending.reason);
        check!(pending.payment.amount == price && pending.payment.purpose == "meal", "another payment is pending");
        check!(script.cluster.payment_log_size().await? == size, "the bookshop did something");
        script.say(&format!(
            "It stays pending: no rule lets a bookshop claim it. After {} Eva can take it back.",
            pending.expires
        ))?;
        script.ok("voucher-refused")
    }

    /// Days pass, for servers and wallets.
    async fn pass_days(&self, days: u64) -> Result<(), Failure> {
        self.clock.pass(Duration::from_secs(days * 86_400));
        self.script.cluster.advance_days().await
    }

    async fn take_back(&mut self) -> Result<(), Failure> {
        self.script.title("16. Until February the bookshop's 3.00 EUR lie there; then Eva takes them back")?;
        let (lost, contested) = (self.script.eur("3.00")?, self.script.eur("2.00")?);
        self.pay_for_meal(GROCER, contested, "dinner").await?;
        let early = self.script.with("eva", async |wallet: &Wallet| wallet.refund(None).await).await?;
        let waits = early.pending.iter().all(|pending| pending.reason == PendingReason::NotExpired);
        check!(early.refunded.is_empty() && waits && early.pending.len() == 2, "it came back in its month: {early:?}");
        self.pass_days(TO_FEBRUARY_DAYS).await?;
        // Registrations have ended with the year. Renewing shows whose wallet it is, so wallets do nothing else in that call.
        for name in ["eva", "grocer"] {
            let renewed = self.script.with(name, async |wallet: &Wallet| wallet.renew().await).await?;
            check!(matches!(renewed, RenewOutcome::Renewed(_)), "{name} has not renewed: {renewed:?}");
        }

        // The grocer has not claimed the last 2.00 EUR and does so now, in the moment in which Eva takes back what she can.
        let (received, back) = tokio::join!(
            self.script.with("grocer", async |wallet: &Wallet| wallet.receive().await),
            self.script.with("eva", async |wallet: &Wallet| {
                Ok((wallet.refund(None).await?, wallet.balance().await.restricted))
            })
        );
        let (received, (back, restricted)) = (received?, back?);
        let script = &mut self.script;
        let [first, ..] = back.refunded.as_slice() else { return Err("Eva took nothing back".into()) };
        check!(first.amount == lost && first.purpose == "meal", "Eva took back another payment: {first:?}");
        script.tell_seen(Statement::Refund).await?;
        script.say(
            "It is money for meals as before, and counts as received: her cap of 10.00 EUR a day holds here too.",
        )?;
        let grocer_has = received.claimed.iter().filter(|payment| payment.amount == contested).count();
        let eva_has = back.refunded.iter().filter(|payment| payment.amount == contested).count();
        check!(grocer_has + eva_has == 1, "{grocer_has} claims and {eva_has} refunds of one payment");
        // 12.00 without 4.50, 3.00 and 2.00, and a fee for each.
        let rest = script.eur("2.47")?.checked_add(lost).ok_or("too much money")?;
        let held = if eva_has == 1 { rest.checked_add(contested).ok_or("too much money")? } else { rest };
        check!(restricted.iter().map(|meal| meal.amount).eq([held]), "Eva holds {restricted:?}");
        let first = if eva_has == 1 { "Eva" } else { "the grocer" };
        script.say(&format!(
            "2.00 EUR at the grocer's were claimed and taken back in the same moment: {first} was first, the other learned it."
        ))?;
        script.ok("refunded")
    }

    async fn claim_in_parts(&mut self) -> Result<(), Failure> {
        let script = &mut self.script;
        script.title("17. Eva pays Ben 23.00 EUR; he may receive 10.00 EUR a day")?;
        script.register_one("ben", BEN, "person").await?;
        let (salary, price) = (script.eur("30.00")?, script.eur("23.00")?);
        script.cluster.credit(EVA, salary).await?;
        script.with("eva", async |wallet: &Wallet| wallet.withdraw(salary, RequestId::random()).await).await?;
        script.pay("eva", BEN, price, "a bicycle").await?;
        for (part, left) in [("10.00", "13.00"), ("10.00", "3.00"), ("3.00", "0.00")] {
            let script = &mut self.script;
            let report = script.with("ben", async |wallet: &Wallet| wallet.receive().await).await?;
            let claimed: Vec<Amount> = report.claimed.iter().map(|payment| payment.amount).collect();
            check!(claimed == [script.eur(part)?], "Ben claimed {claimed:?} today");
            let waits = report.pending.iter().map(|pending| pending.payment.amount).fold(Amount::ZERO, Amount::max);
            check!(waits == script.eur(left)?, "{} wait", script.show(waits));
            let plan: Vec<_> =
                report.plan.iter().map(|next| format!("{} on {}", script.show(next.amount), next.day)).collect();
            let plan = if plan.is_empty() { "nothing is left".to_owned() } else { format!("then {}", plan.join(", ")) };
            script.say(&format!("He claims {part} EUR; {plan}."))?;
            self.pass_days(1).await?;
        }
        let script = &mut self.script;
        script.tell_seen(Statement::Split).await?;
        let available = script.with("ben", async |wallet: &Wallet| Ok(wallet.balance().await.available)).await?;
        check!(available == price, "Ben can spend {}", script.show(available));
        script.ok("split-and-claimed-later")
    }
}
