//! `farthing-issuer admin`: the operator's calls.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::Month,
};
use farthing_issuer::{config::Config, error::RunError};
use farthing_proto::v1::{
    Account, CreateAccountRequest, CreditRequest, GetSupplyRequest, InviteRequest, ListAccountsRequest,
    RestrictedBalance, RevokeRequest, RevokeResponse, SetClassRequest,
    issuer_admin_service_client::IssuerAdminServiceClient,
};
use farthing_service::{
    channel::{self, Deadlines},
    status::Failure,
    token::TokenBearer,
};
use getrandom::{SysRng, rand_core::Rng as _, rand_core::UnwrapErr};
use serde_json::{Value, json};
use tonic::{Status, service::interceptor::InterceptedService, transport::Channel};

use super::ConfigFile;

/// Accounts asked for at a time.
const PAGE: u32 = 1_000;

type Client = IssuerAdminServiceClient<InterceptedService<Channel, TokenBearer>>;

/// The arguments of `admin`.
#[derive(Args)]
pub(crate) struct Admin {
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON document on standard output, amounts in minor units.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Opens an account for an identity. The same again changes nothing.
    CreateAccount {
        /// The identity, such as alice@bank.example.
        identity: String,
        /// A class of the policy, such as person.
        #[arg(long)]
        class: String,
    },
    /// Adds money to an account, once for each request id.
    Credit {
        /// The identity of its holder.
        identity: String,
        /// The amount, such as 20.00.
        amount: String,
        /// What it may be used for: a purpose of the policy, such as meal. Without, anything.
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        purpose: String,
        /// 32 hex digits; without, a new one is drawn. Give it again when you do not know whether the credit was made.
        #[arg(long, value_name = "HEX", value_parser = parse_request_id)]
        request_id: Option<[u8; 16]>,
    },
    /// Lists all accounts.
    List,
    /// Makes an invitation with which an identity registers its wallet; opens its account when there is none.
    Invite {
        /// The identity, such as alice@bank.example.
        identity: String,
        /// A class of the policy, such as person.
        #[arg(long)]
        class: String,
    },
    /// Changes the class of an identity: of its account at once, of its wallet when it is renewed.
    SetClass {
        /// The identity, such as alice@bank.example.
        identity: String,
        /// A class of the policy, such as person.
        #[arg(long)]
        class: String,
    },
    /// Revokes a lost wallet and prints an invitation for the next one, which has the account at once and receives when the
    /// lost one is not valid any more.
    Revoke {
        /// The identity, such as alice@bank.example.
        identity: String,
    },
    /// Tells how much money was withdrawn and redeemed.
    Supply,
}

impl Admin {
    /// Makes the call. Returns what is to be printed.
    pub(crate) async fn execute(self) -> Result<String, RunError> {
        let config = Config::load(&self.file.path)?;
        let currency = config.load_policy()?.currency().clone();
        let mut client = connect(&config)?;
        let money = |minor| format!("{} {}", currency.format(Amount::new(minor)), currency.code());
        let (text, document) = match self.command {
            Command::CreateAccount { identity, class } => {
                let request = CreateAccountRequest { identity, class_name: class };
                let identity = client.create_account(request).await.map_err(refused)?.into_inner().identity;
                (format!("the account of {identity} is open\n"), json!({ "identity": identity }))
            }
            Command::Credit { identity, amount, purpose, request_id } => {
                let amount = parse_amount(&currency, &amount)?;
                let id = request_id.unwrap_or_else(draw_request_id);
                let request = CreditRequest { identity, amount, request_id: id.to_vec(), purpose: purpose.clone() };
                let again = |status| unsure(status, &id);
                let balance = client.credit(request).await.map_err(again)?.into_inner().balance;
                let text = format!("the balance is {}{}\n", money(balance), purpose_text(&purpose));
                (text, json!({ "balance": balance, "purpose": purpose, "request_id": hex(&id) }))
            }
            Command::List => {
                let accounts = list(&mut client).await?;
                let lines = accounts.iter().map(|account| line(account, money));
                (lines.collect(), accounts.iter().map(document).collect())
            }
            Command::Invite { identity, class } => {
                let request = InviteRequest { identity, class_name: class };
                let invitation = client.invite(request).await.map_err(refused)?.into_inner().invitation;
                (format!("{invitation}\n"), json!({ "invitation": invitation }))
            }
            Command::SetClass { identity, class } => {
                let request = SetClassRequest { identity: identity.clone(), class_name: class.clone() };
                client.set_class(request).await.map_err(refused)?;
                let text = format!("{identity} is of the class {class}; its wallet is when it renews\n");
                (text, json!({ "identity": identity, "class": class }))
            }
            Command::Revoke { identity } => {
                let revoked = client.revoke(RevokeRequest { identity }).await.map_err(refused)?.into_inner();
                let RevokeResponse { invitation, valid_through } = revoked;
                let valid_through = Month::new(valid_through).to_string();
                let text = format!("{invitation}\nthe revoked wallet may be valid until the end of {valid_through}\n");
                (text, json!({ "invitation": invitation, "valid_through": valid_through }))
            }
            Command::Supply => {
                let supply = client.get_supply(GetSupplyRequest {}).await.map_err(refused)?.into_inner();
                let mut text = format!("withdrawn {}\n", money(supply.withdrawn));
                for part in &supply.restricted_withdrawn {
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "  of it {}{}", money(part.amount), purpose_text(&part.purpose));
                }
                let _ = writeln!(text, "redeemed {}", money(supply.redeemed));
                let restricted = restricted(&supply.restricted_withdrawn);
                let (withdrawn, redeemed) = (supply.withdrawn, supply.redeemed);
                (text, json!({ "withdrawn": withdrawn, "redeemed": redeemed, "restricted_withdrawn": restricted }))
            }
        };
        Ok(if self.json { format!("{document}\n") } else { text })
    }
}

fn connect(config: &Config) -> Result<Client, RunError> {
    let access = config.admin_access()?;
    let channel = channel::open(&access.address, &access.tls, Deadlines::default());
    let channel = channel.map_err(|error| RunError::Config(error.to_string()))?;
    Ok(IssuerAdminServiceClient::with_interceptor(channel, access.token.bearer()))
}

async fn list(client: &mut Client) -> Result<Vec<Account>, RunError> {
    let (mut accounts, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAccountsRequest { page_size: PAGE, page_token };
        let page = client.list_accounts(request).await.map_err(refused)?.into_inner();
        accounts.extend(page.accounts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(accounts);
        }
    }
}

fn line(account: &Account, money: impl Fn(u64) -> String) -> String {
    let wallet = match account {
        Account { waiting: true, .. } => "wallet waits for the end of the one before",
        Account { registered: true, .. } => "wallet registered",
        _ => "no wallet yet",
    };
    let parts =
        account.restricted.iter().map(|part| format!(" + {}{}", money(part.amount), purpose_text(&part.purpose)));
    let balance = money(account.balance) + &parts.collect::<String>();
    format!("{}  {}  {balance}  {wallet}\n", account.identity, account.class_name)
}

fn document(account: &Account) -> Value {
    let Account { identity, class_name, balance, registered, waiting, restricted: parts } = account;
    let restricted = restricted(parts);
    json!({
        "identity": identity, "class": class_name, "balance": balance, "restricted": restricted, "registered": registered,
        "waiting": waiting,
    })
}

fn restricted(parts: &[RestrictedBalance]) -> Vec<Value> {
    parts.iter().map(|part| json!({ "purpose": part.purpose, "amount": part.amount })).collect()
}

/// Nothing for money that may be used for anything.
fn purpose_text(purpose: &str) -> String {
    if purpose.is_empty() { String::new() } else { format!(" for {purpose} only") }
}

fn parse_amount(currency: &Currency, text: &str) -> Result<u64, RunError> {
    let amount = currency.parse(text).map_err(|error| RunError::Config(format!("{text:?}: {error}")))?;
    Ok(amount.get())
}

fn draw_request_id() -> [u8; 16] {
    let mut id = [0; 16];
    UnwrapErr(SysRng).fill_bytes(&mut id);
    id
}

fn parse_request_id(text: &str) -> Result<[u8; 16], String> {
    let wanted = || "a request id is 32 hex digits".to_owned();
    // A sign would be read as part of the number.
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wanted());
    }
    u128::from_str_radix(text, 16).map(u128::to_be_bytes).map_err(|_| wanted())
}

fn hex(id: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*id))
}

fn refused(status: Status) -> RunError {
    RunError::Refused(Failure::from(status).to_string())
}

/// A credit that may have been made is asked for again with the same id.
fn unsure(status: Status, id: &[u8; 16]) -> RunError {
    let failure = Failure::from(status);
    let mut text = failure.to_string();
    if failure.is_transient() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nthe credit may have been made: ask again with --request-id {}", hex(id));
    }
    RunError::Refused(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_read_as_they_are_written() {
        let id = draw_request_id();
        assert_eq!(parse_request_id(&hex(&id)), Ok(id));
        for wrong in ["", "+1234567890123456789012345678901", &"0".repeat(31), &"g".repeat(32)] {
            assert!(parse_request_id(wrong).is_err(), "{wrong}");
        }
    }
}
