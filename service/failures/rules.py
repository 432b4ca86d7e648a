"""The codes and phrases by which providers name a failure, and the class that each of them means.

They are compared in lower case. `tests/support/provider_failures.py` has a sample for each line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..errors import (
    ContentFiltered,
    ContextLengthExceeded,
    KeyRefused,
    ModelNotFound,
    QuotaExceeded,
    TemperatureRefused,
    UpstreamError,
    UpstreamRateLimited,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of failure."""

    kind: type[UpstreamError]
    #: Codes and types that mean this and nothing else.
    codes: frozenset[str]
    #: Phrases that mean this and nothing else, as regular expressions.
    phrases: tuple[str, ...]
    #: Finds any of the phrases.
    pattern: re.Pattern[str]
    #: Whether the phrases mean this with a 5xx too. There, "not found" may be about something else.
    also_with_5xx: bool = True


def _rule(kind: type[UpstreamError], codes: str, *phrases: str, also_with_5xx: bool = True) -> Rule:
    return Rule(kind, frozenset(codes.split()), phrases, re.compile("|".join(phrases)), also_with_5xx)


# The first rule that matches applies. Failures that no waiting can end come before rate limits: Groq has the code
# `rate_limit_exceeded` for a single request that is larger than a minute's tokens, OpenAI 429 for an empty account.
RULES: Final = (
    _rule(
        ContextLengthExceeded,
        """
        context_length_exceeded context_window_exceeded contextwindowexceedederror exceed_context_size_error
        model_context_window_exceeded token_limit_exceeded request_too_large 1261
        """,
        r"context_length_exceeded",
        r"contextwindowexceedederror",
        r"maximum (?:context|prompt|model) (?:length|limit)",
        r"model's (?:maximum )?(?:context|input) (?:length|limit|window)",
        r"exceeds? (?:the |this |your )?(?:model's |available |maximum |total )*context (?:size|window|length|limit)",
        r"context (?:length|window|size|limit) (?:is |was |has been )?exceeded",
        r"context length of only",
        r"(?:prompt|input|conversation|messages?) (?:is |are )?too (?:long|large)\b",
        r"request too large",
        r"too large for model",
        # Bedrock limits rates with "Too many tokens, please wait before trying again".
        r"too many (?:input |prompt )?tokens(?!, please wait)",
        r"must be reduced in order to run",
        r"reduce the length of (?:the |your )?(?:messages|prompt|input)",
        r"exceeds? the maximum (?:number of tokens|size|allowed input length)",
        r"greater than the context length",
        r"configured context size",
        r"exceeded model token limit",
        r"range of input length",
        r"`?inputs`? tokens \+",
        r"longer than the maximum model length",
        r"current length is \d+ while limit is \d+",
        r"prompt 超长",
    ),
    _rule(
        ContentFiltered,
        """
        content_filter content_filtered responsibleaipolicyviolation content_policy_violation
        contentpolicyviolationerror data_inspection_failed datainspectionfailed invalid_prompt prompt_blocked
        sensitive_words_detected 1301
        """,
        r"content_filter\b",
        r"contentpolicyviolationerror",
        r"responsibleaipolicyviolation",
        r"content management policy",
        r"content filter(?:ing policy)?\b",
        r"violat\w+ (?:our |the |\w+'s )?(?:usage|content) (?:policy|policies|guidelines)",
        r"our safety system",
        r"datainspectionfailed",
        r"contain inappropriate content",
        r"content exists risk",
        r"considered high risk",
        r"requires moderation",
        r"input was flagged",
        r"unsafe or sensitive content",
        r"敏感内容",
    ),
    _rule(
        QuotaExceeded,
        """
        insufficient_quota exceeded_current_quota_error quota_exceeded billing_hard_limit_reached billing_error
        billing_not_active insufficient_balance insufficient_credits insufficient_user_quota credit_limit arrearage
        budget_exceeded budgetexceedederror account_deactivated payment_required allocationquota.freetieronly 1113
        """,
        r"insufficient (?:quota|balance|credits?|funds)",
        r"exceeded your (?:current quota|monthly included)",
        r"balance is (?:too low|insufficient)",
        r"(?:requires|purchase|add) more credits",
        r"doesn't have any credits",
        r"out of credits",
        r"used all available credits",
        r"credit limit exceeded",
        r"free-models-per-day",
        r"monthly spending (?:limit|cap)",
        r"budget has been exceeded",
        r"exceeded ?budget",
        r"free (?:tier|quota|allocated quota)\b[^\n]{0,60}\b(?:exhausted|exceeded)",
        r"key limit exceeded",
        r"limited to \d+ api calls / month",
        r"account is in good standing",
        r"account is in arrears",
        r"额度不足",
        r"余额不足",
    ),
    _rule(
        UpstreamRateLimited,
        """
        rate_limit_exceeded rate_limit_error rate_limited rate_limit ratelimitreached ratelimitexceeded
        ratelimiterror rate_limit_reached_error too_many_requests toomanyrequests resource_exhausted throttling
        throttlingexception throttling.ratequota throttling.allocationquota throttling.burstrate limit_requests
        limit_burst_rate service_tier_capacity_exceeded dynamic_request_limited 1302 1303 1304 1305
        """,
        r"rate[ _-]?limit",
        r"too many requests",
        r"too many tokens, please wait",
        r"resource (?:has been )?exhausted",
        r"service tier capacity exceeded",
        r"(?:requests?|tokens?) per (?:second|minute|day)",
        r"并发数过高",
        r"频率过高",
    ),
    # Before `ModelNotFound`: some say that the model does not support the temperature.
    _rule(
        TemperatureRefused,
        "",
        r"[`'\"]temperature[`'\"] (?:does not support|is not supported)",
        r"(?:don't|doesn't|does not) support (?:the )?(?:parameter )?[`'\"]?temperature\b",
        r"invalid temperature\b",
        r"\btemperature[`'\"]? (?:may|can) only be",
        r"\btemperature[`'\"]? (?:and|or) [`'\"]?top_p[`'\"]? cannot both",
        r"\btemperature[`'\"]?(?: \w+)? (?:must|should) be",
        r"\btemperature: (?:range|input should be)",
        r"range of temperature\b",
        r"\btemperature[`'\"]? is (?:deprecated|not allowed|out of range)",
        also_with_5xx=False,
    ),
    _rule(
        ModelNotFound,
        """
        model_not_found modelnotfound model_not_available model_not_exist model_decommissioned invalid_model
        deploymentnotfound 1211 1500
        """,
        r"model_not_found",
        r"\b(?:model|deployment)\b[^\n]{0,150}?\b(?:does not|doesn't|not) exist",
        r"\bmodels?\b[^\n,;]{0,150}?\b(?:is not|not) (?:found|supported|served)",
        r"not found the model",
        r"(?m:^model: \S+$)",
        r"(?:unknown|invalid|no such) model",
        r"not a valid model",
        r"unable to access model",
        r"no models loaded",
        r"no endpoints found",
        r"has been decommissioned",
        r"模型不存在",
        also_with_5xx=False,
    ),
    _rule(
        KeyRefused,
        """
        invalid_api_key incorrect_api_key invalidapikey api_key_invalid authentication_error
        invalid_authentication_error authenticationerror auth_error unauthenticated unauthorized token_not_found_in_db
        """,
        r"(?:invalid|incorrect|missing|wrong|expired|no) api[ _-]?(?:key|token)",
        r"api[ _-]?key\b[^\n]{0,60}\b(?:not valid|invalid|expired|revoked|missing|disabled|required)",
        r"no auth credentials found",
        r"authentication (?:fails|failed|error)",
        r"\bunauthorized\b",
        r"invalid subscription key",
        r"unregistered callers",
        r"身份验证失败",
        also_with_5xx=False,
    ),
)
