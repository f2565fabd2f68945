//! A conversation in the form that the API takes: instructions in front, then turns of which the
//! user has the first, and in each turn of the user the results of the calls before it first.

use crate::canonical::{
    Content, Dropped, Media, MediaKind, Message, Part, Reasoning, Role, Source, ToolResult,
};
use crate::wire::Fault;

use super::{is_said, signature};

/// Instructions and turns, checked.
pub(super) struct Conversation<'r, 'a> {
    pub(super) system: Vec<&'r Part<'a>>,
    pub(super) turns: Vec<Turn<'r, 'a>>,
}

/// What one side says until the other does.
pub(super) struct Turn<'r, 'a> {
    pub(super) is_user: bool,
    /// Results of all calls that were made at once: they must come first.
    pub(super) results: Vec<&'r Part<'a>>,
    pub(super) others: Vec<&'r Part<'a>>,
}

impl<'r, 'a> Conversation<'r, 'a> {
    /// Arranges messages.
    ///
    /// # Errors
    /// If they hold what the API cannot be told, or in an order that it does not take.
    pub(super) fn of(messages: &'r [Message<'a>], dropped: &mut Dropped) -> Result<Self, Fault> {
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
                return Err(refusal(
                    "has instructions behind the first turn; Anthropic's models take them in front",
                ));
            }
            for part in &message.parts {
                if is_kept(part, message.role, dropped)? {
                    conversation.add(message.role, part);
                } else if part.cache.is_some() {
                    dropped.add("cache_control");
                }
            }
        }
        conversation.refuse_blank_end(messages)?;
        match conversation.turns.first() {
            Some(turn) if turn.is_user => Ok(conversation),
            Some(_) => Err(refusal("must begin with what the user says")),
            None => Err(refusal("says nothing")),
        }
    }

    /// Blank text is left out, and with it a message that holds nothing else: that says the same. But
    /// where the user says nothing at the end, the model would go on with what it said itself.
    fn refuse_blank_end(&self, messages: &[Message<'_>]) -> Result<(), Fault> {
        let is_users =
            |message: &&Message<'_>| message.role == Role::User && !message.parts.is_empty();
        let ends_with_user = messages.last().filter(is_users).is_some();
        match self.turns.last() {
            Some(turn) if ends_with_user && !turn.is_user => Err(Fault::new(
                format_args!("messages[{}].content", messages.len() - 1),
                "is blank: Anthropic's models must be told something",
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

/// Whether a part is to be written; a fault if it should, but cannot.
fn is_kept(part: &Part<'_>, role: Role, dropped: &mut Dropped) -> Result<bool, Fault> {
    match (&part.content, role) {
        (Content::Text(text), _) | (Content::Refusal(text), Role::Assistant) => Ok(is_said(text)),
        (Content::Media(media), Role::User) => check_media(media, dropped).map(|()| true),
        (Content::ToolResult(result), Role::User) => check_result(result, dropped).map(|()| true),
        (Content::ToolCall(call), Role::Assistant) if call.signature.is_none() => Ok(true),
        (Content::ToolCall(_), Role::Assistant) => Err(refusal(
            "has a call with a proof of reasoning of its own, which Anthropic's models do not take",
        )),
        (Content::Reasoning(reasoning), Role::Assistant) => Ok(keeps_reasoning(reasoning, dropped)),
        (content, role) => {
            let (what, whose) = (content_name(content), role_name(role));
            let message =
                format!("has {what} in what {whose} says, which Anthropic's models do not take");
            Err(refusal(message))
        }
    }
}

/// The API takes no reasoning without a proof, and models can do without it.
fn keeps_reasoning(reasoning: &Reasoning<'_>, dropped: &mut Dropped) -> bool {
    let proven = signature(reasoning).is_some();
    if !proven && reasoning.text.is_some() {
        dropped.add("messages.reasoning");
    }
    proven || reasoning.redacted.is_some()
}

fn check_result(result: &ToolResult<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
    result
        .parts
        .iter()
        .try_for_each(|part| match &part.content {
            Content::Text(_) => Ok(()),
            Content::Media(media) => check_media(media, dropped),
            other => {
                let what = content_name(other);
                let message = format!(
                    "has {what} in the result of a tool, which Anthropic's models do not take"
                );
                Err(refusal(message))
            }
        })
}

fn check_media(media: &Media<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
    let fits = match (media.kind, &media.source) {
        // Uploaded to another provider.
        (_, Source::File(_)) => false,
        (MediaKind::Image, Source::Text(_)) | (MediaKind::Audio | MediaKind::Video, _) => false,
        (MediaKind::Document, Source::Base64 { media_type, .. }) => media_type == "application/pdf",
        (MediaKind::Image | MediaKind::Document, _) => true,
    };
    if !fits {
        let what = media.kind.name();
        let kind = match &media.source {
            Source::Base64 { media_type, .. } => format!(" ({media_type})"),
            _ => String::new(),
        };
        let message = format!("has {what}{kind}, which Anthropic's models do not take");
        return Err(refusal(message));
    }
    if media
        .detail
        .as_deref()
        .is_some_and(|detail| detail != "auto")
    {
        dropped.add("messages.detail");
    }
    if media.kind == MediaKind::Image && media.name.is_some() {
        dropped.add("messages.filename");
    }
    Ok(())
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
