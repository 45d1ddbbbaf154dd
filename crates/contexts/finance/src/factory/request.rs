//! Commands as clients send them.

use callboard::Command;
use serde_json::{Value, json};

use super::Factory;
use crate::activate_deal::ActivateDeal;
use crate::close_funding_account::CloseFundingAccount;
use crate::create_deal::CreateDeal;
use crate::delete_deal::DeleteDeal;
use crate::deposit_to_company::DepositToCompany;
use crate::grant::Source;
use crate::grant_balances::GrantBalances;
use crate::ids::CompanyId;
use crate::issue_product::IssueProduct;
use crate::open_funding_account::OpenFundingAccount;
use crate::record_payment::RecordPayment;
use crate::register_asset::RegisterAsset;
use crate::register_company::RegisterCompany;
use crate::revalue_asset::RevalueAsset;
use crate::update_deal::UpdateDeal;

/// A command as a client sends it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The command's name.
    pub command: &'static str,
    /// Where it is posted to.
    pub path: String,
    /// What is posted.
    pub body: Value,
}

impl Request {
    /// A creation: its body is the command, whose own id is `id` there.
    fn creation<C: Command>(creation: &C, things: &str, own: &str) -> Self {
        let mut body = json!(creation);
        let fields = body.as_object_mut().expect("a command is an object");
        let id = fields.remove(own).expect("it has an id");
        fields.insert("id".into(), id);
        Self {
            command: C::NAME,
            path: format!("/finance/{things}"),
            body,
        }
    }

    /// A command about a thing: its body is the command without the thing's id, which is in the path.
    fn about<C: Command>(command: &C, things: &str, own: &str, verb: &str) -> Self {
        let mut body = json!(command);
        let fields = body.as_object_mut().expect("a command is an object");
        let id = fields.remove(own).expect("it has an id");
        let id = id.as_str().expect("an id is text");
        Self {
            command: C::NAME,
            path: format!("/finance/{things}/{id}/{verb}"),
            body,
        }
    }
}

impl Factory {
    /// One of each command that clients send.
    pub fn requests(&mut self) -> Vec<Request> {
        let companies: [CompanyId; 3] = std::array::from_fn(|_| self.id());
        let [company, other, _] = companies;
        let (asset, account, deal, product) = (self.id(), self.id(), self.id(), self.id());
        let sources = [Source::Company(company), Source::Asset(asset)];
        vec![
            self.register_company().into(),
            self.deposit_to_company(company).into(),
            self.register_asset(company, other).into(),
            self.revalue_asset(asset).into(),
            self.open_funding_account(company).into(),
            CloseFundingAccount { account }.into(),
            self.create_deal(&companies).into(),
            self.update_deal(deal, &companies).into(),
            ActivateDeal { deal }.into(),
            DeleteDeal { deal }.into(),
            self.grant_balances(&sources, &[(account, company)]).into(),
            self.issue_product(&companies, Some(asset), Some(deal)).into(),
            self.issue_product(&companies, None, None).into(),
            self.record_payment(product).into(),
        ]
    }
}

impl From<RegisterCompany> for Request {
    fn from(command: RegisterCompany) -> Self {
        Self::creation(&command, "companies", "company")
    }
}

impl From<DepositToCompany> for Request {
    fn from(command: DepositToCompany) -> Self {
        Self::about(&command, "companies", "company", "deposit_to_company")
    }
}

impl From<RegisterAsset> for Request {
    fn from(command: RegisterAsset) -> Self {
        Self::creation(&command, "assets", "asset")
    }
}

impl From<RevalueAsset> for Request {
    fn from(command: RevalueAsset) -> Self {
        Self::about(&command, "assets", "asset", "revalue_asset")
    }
}

impl From<OpenFundingAccount> for Request {
    fn from(command: OpenFundingAccount) -> Self {
        Self::creation(&command, "accounts", "account")
    }
}

impl From<CloseFundingAccount> for Request {
    fn from(command: CloseFundingAccount) -> Self {
        Self::about(&command, "accounts", "account", "close_funding_account")
    }
}

impl From<CreateDeal> for Request {
    fn from(command: CreateDeal) -> Self {
        Self::creation(&command, "deals", "deal")
    }
}

impl From<UpdateDeal> for Request {
    fn from(command: UpdateDeal) -> Self {
        Self::about(&command, "deals", "deal", "update_deal")
    }
}

impl From<ActivateDeal> for Request {
    fn from(command: ActivateDeal) -> Self {
        Self::about(&command, "deals", "deal", "activate_deal")
    }
}

impl From<DeleteDeal> for Request {
    fn from(command: DeleteDeal) -> Self {
        Self::about(&command, "deals", "deal", "delete_deal")
    }
}

impl From<GrantBalances> for Request {
    fn from(command: GrantBalances) -> Self {
        Self::creation(&command, "grants", "grant")
    }
}

impl From<IssueProduct> for Request {
    fn from(command: IssueProduct) -> Self {
        Self::creation(&command, "products", "product")
    }
}

impl From<RecordPayment> for Request {
    fn from(command: RecordPayment) -> Self {
        Self::about(&command, "products", "product", "record_payment")
    }
}
