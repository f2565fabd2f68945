//! A conversation in the form that some APIs take: instructions in front, then turns of which the
//! user has the first, and in each turn of the user the results of the calls before it first.

use super::refusals::CITATIONS;
use super::{
    Citation, Content, Dropped, Media, MediaKind, Message, Part, Reasoning, Role, ToolResult,
};
use crate::wire::Fault;

/// What an API takes of a conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takes {
    /// Whose models they are, as a fault says it.
    pub(crate) whose: &'static str,
    /// Whether a medium is among it.
    pub(crate) medium: fn(&Media<'_>) -> bool,
    /// Whether a source of an earlier answer is.
    pub(crate) citation: fn(&Citation<'_>) -> bool,
}

/// Instructions and turns, checked.
pub(crate) struct Conversation<'r, 'a> {
    pub(crate) system: Vec<&'r Part<'a>>,
    pub(crate) turns: Vec<Turn<'r, 'a>>,
}

/// What one side says until the other does.
pub(crate) struct Turn<'r, 'a> {
    pub(crate) is_user: bool,
    /// Results of all calls that were made at once: they must come first.
    pub(crate) results: Vec<&'r Part<'a>>,
    pub(crate) others: Vec<&'r Part<'a>>,
}

impl<'r, 'a> Conversation<'r, 'a> {
    /// Arranges messages.
    ///
    /// # Errors
    /// If they hold what the API cannot be told, or in an order that it does not take.
    pub(crate) fn of(
        messages: &'r [Message<'a>],
        takes: Takes,
        dropped: &mut Dropped,
    ) -> Result<Self, Fault> {
        let whose = takes.whose;
        let mut conversation = Self {
            system: Vec::new(),
            turns: Vec::new(),
        };
        let mut leading = true;
        for message in messages {
            if message.name.is_some() {
                dropped.add("messages.name");
            }
            let instructs = matches!(message.role, Role::System | Role::Developer);
            leading &= instructs;
            if instructs && !leading {
                return Err(refusal(format!(
                    "has instructions behind the first turn; {whose} take them in front"
                )));
            }
            for part in &message.parts {
                if !part.citations.iter().all(takes.citation) {
                    dropped.add(CITATIONS);
                }
                if takes.keeps(part, message.role, dropped)? {
                    conversation.add(message.role, part);
                } else if part.cache.is_some() {
                    dropped.add("cache_control");
                }
            }
        }
        conversation.refuse_blank_end(messages, whose)?;
        match conversation.turns.first() {
            Some(turn) if turn.is_user => Ok(conversation),
            Some(_) => Err(refusal("must begin with what the user says")),
            None => Err(refusal("says nothing")),
        }
    }

    /// Blank text is left out, and with it a message that holds nothing else: that says the same. But
    /// where the user says nothing at the end, the model would go on with what it said itself.
    fn refuse_blank_end(&self, messages: &[Message<'_>], whose: &str) -> Result<(), Fault> {
        let is_users =
            |message: &&Message<'_>| message.role == Role::User && !message.parts.is_empty();
        let ends_with_user = messages.last().filter(is_users).is_some();
        match self.turns.last() {
            Some(turn) if ends_with_user && !turn.is_user => Err(Fault::new(
                format_args!("messages[{}].content", messages.len() - 1),
                format!("is blank: {whose} must be told something"),
            )),
            _ => Ok(()),
        }
    }

    fn add(&mut self, role: Role, part: &'r Part<'a>) {
        let is_user = match role {
            Role::System | Role::Developer => return self.system.push(part),
            Role::User => true,
            Role::Assistant => false,
        };
        let is_result = matches!(part.content, Content::ToolResult(_));
        let continued = self.turns.pop_if(|turn| turn.is_user == is_user);
        let mut turn = continued.unwrap_or(Turn {
            is_user,
            results: Vec::new(),
            others: Vec::new(),
        });
        if is_result {
            turn.results.push(part);
        } else {
            turn.others.push(part);
        }
        self.turns.push(turn);
    }
}

fn refusal(message: impl Into<String>) -> Fault {
    Fault::new("messages", message)
}

impl Takes {
    /// Whether a part is to be written; a fault if it should, but cannot.
    fn keeps(self, part: &Part<'_>, role: Role, dropped: &mut Dropped) -> Result<bool, Fault> {
        let whose = self.whose;
        match (&part.content, role) {
            (Content::Text(text), _) | (Content::Refusal(text), Role::Assistant) => {
                Ok(is_said(text))
            }
            (Content::Media(media), Role::User) => self.check_media(media, dropped).map(|()| true),
            (Content::ToolResult(result), Role::User) => {
                self.check_result(result, dropped).map(|()| true)
            }
            (Content::ToolCall(call), Role::Assistant) if call.proof().is_none() => Ok(true),
            (Content::ToolCall(_), Role::Assistant) => Err(refusal(format!(
                "has a call with a proof of reasoning of its own, which {whose} do not take"
            ))),
            (Content::Reasoning(reasoning), Role::Assistant) => {
                Ok(keeps_reasoning(reasoning, dropped))
            }
            (content, role) => {
                let (what, who) = (content_name(content), role_name(role));
                let message = format!("has {what} in what {who} says, which {whose} do not take");
                Err(refusal(message))
            }
        }
    }

    fn check_result(self, result: &ToolResult<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
        let whose = self.whose;
        let mut parts = result.parts.iter();
        parts.try_for_each(|part| match &part.content {
            Content::Text(_) => Ok(()),
            Content::Media(media) => self.check_media(media, dropped),
            other => {
                let what = content_name(other);
                let message =
                    format!("has {what} in the result of a tool, which {whose} do not take");
                Err(refusal(message))
            }
        })
    }

    fn check_media(self, media: &Media<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
        if !(self.medium)(media) {
            let (what, whose) = (media.kind.name(), self.whose);
            let kind = match &media.source {
                super::Source::Base64 { media_type, .. } => format!(" ({media_type})"),
                super::Source::Url(_) => " by its URL".to_owned(),
                _ => String::new(),
            };
            return Err(refusal(format!(
                "has {what}{kind}, which {whose} do not take"
            )));
        }
        let detail = media.detail.as_deref();
        if detail.is_some_and(|detail| detail != "auto") {
            dropped.add("messages.detail");
        }
        if media.kind != MediaKind::Document && media.name.is_some() {
            dropped.add("messages.filename");
        }
        Ok(())
    }
}

/// These APIs take no reasoning without a proof, and models can do without it.
fn keeps_reasoning(reasoning: &Reasoning<'_>, dropped: &mut Dropped) -> bool {
    let proven = reasoning.proof().is_some();
    if !proven && reasoning.text.is_some() {
        dropped.add("messages.reasoning");
    }
    proven || reasoning.redacted.is_some()
}

/// Whether a text says something: these APIs refuse blocks of text that are blank.
pub(crate) fn is_said(text: &str) -> bool {
    !text.trim().is_empty()
}

const fn content_name(content: &Content<'_>) -> &'static str {
    match content {
        Content::Text(_) => "text",
        Content::Media(media) => media.kind.name(),
        Content::ToolCall(_) => "the call of a tool",
        Content::ToolResult(_) => "the result of a tool",
        Content::Reasoning(_) => "reasoning",
        Content::Refusal(_) => "a refusal",
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "the system",
        Role::Developer => "the developer",
        Role::User => "the user",
        Role::Assistant => "the assistant",
    }
}
