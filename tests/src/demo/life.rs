//! Money for a purpose, and what months bring. A town of its own, with a clock that only this demo sets.

use std::sync::Arc;

use farthing_ecash::{amount::Amount, identity::Identity, statement::Statement};
use farthing_service::clock::ManualClock;
use farthing_wallet::{OperationState, Options, PendingReason, Receipt, RequestId, Wallet, WalletError};
use zeroize::Zeroizing;

use super::{Failure, Script};
use crate::cluster::{Cluster, Setup};

/// Who is paid by an employer, partly in money for meals.
const EVA: &str = "eva@works.example";
/// Accepts money for meals.
const GROCER: &str = "shop@grocer.example";
/// Does not.
const BOOKSHOP: &str = "shop@books.example";

/// 2026-11-20 12:00 in Luxembourg (UTC+1), when this story begins.
const NOON: i64 = 1_795_172_400;

/// The second cluster while its scenes run.
struct Town<'a> {
    script: Script<'a>,
    /// The time of its servers and wallets.
    #[expect(dead_code, reason = "the scenes so far are of one day")]
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
}
