# ruff: noqa: E501
"""What providers say when they fail, as they say it, and what becomes of it.

The texts are those of public issues, documentation and source: shortened, with the names of accounts taken out. Each
stands for a line of `service/failures/rules.py`, or for a shape that `service/failures/extraction.py` reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple

CONTEXT = "context_length_exceeded"
FILTER = "content_filtered"
QUOTA = "quota_exceeded"
RATE = "upstream_rate_limited"
MODEL = "model_not_found"
KEY = "key_refused"
TEMPERATURE = "temperature_refused"
REJECTED = "upstream_rejected"
UNAVAILABLE = "upstream_unavailable"

RETRYABLE = {RATE, UNAVAILABLE}
#: What an own client gets, where the failure is known before the stream begins.
STATUSES = {CONTEXT: 400, FILTER: 400, TEMPERATURE: 400, RATE: 429}
#: The samples' dates and moments are compared with it.
NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)


class Refused(NamedTuple):
    """A reply with a status but 200."""

    provider: str
    code: str
    status: int
    #: Sent as it is where it is text, else as JSON.
    body: Any
    headers: Mapping[str, str] = {}
    #: Seconds until another try may succeed; `None` where that is not known, and not said.
    retry_after: float | None = None

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)


class Streamed(NamedTuple):
    """A failure inside a stream, with status 200."""

    provider: str
    code: str
    #: Sent as it is where it is bytes, else as the data of an event.
    event: Any
    retry_after: float | None = None

    @property
    def stream(self) -> bytes:
        """The bytes of the stream."""
        if isinstance(self.event, bytes):
            return self.event
        return b"data: " + json.dumps(self.event, ensure_ascii=False).encode() + b"\n\n"


def _openai(message: str, code: object = None, type: str = "invalid_request_error", **more: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": None, "code": code, **more}}


def _gemini(code: int, status: str, message: str, *details: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"error": {"code": code, "message": message, "status": status, "details": list(details)}}]


def _quota(*names: str) -> dict[str, Any]:
    violations = [{"quotaMetric": "generativelanguage.googleapis.com/requests", "quotaId": name} for name in names]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


_RETRY_38S = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s"}
_GEMINI_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_AZURE_FILTER = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
    "your prompt and retry."
)
_AZURE_RATE = (
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-02-01 have exceeded token "
    "rate limit of your current OpenAI S0 pricing tier. Please retry after 20 seconds. Please go here: "
    "https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."
)
_VLLM_LONG = (
    "This model's maximum context length is 16384 tokens. However, you requested 19591 tokens (9591 in the messages, "
    "10000 in the completion). Please reduce the length of the messages or completion."
)
_LM_STUDIO_LONG = (
    "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context "
    "length of only 4096 tokens, which is not enough. Try to load the model with a larger context length."
)
_XAI_SPENT = (
    "Your team has either used all available credits or reached its monthly spending limit. To continue making API "
    "requests, please purchase more credits or raise your spending limit."
)
_GROQ_LARGE = (
    "Request too large for model `llama-3.3-70b-versatile` in organization `org` service tier `on_demand` on tokens "
    "per minute (TPM): Limit 12000, Requested 14137, please reduce your message size and try again."
)
_GROQ_RATE = (
    "Rate limit reached for model `llama-3.1-8b-instant` in organization `org` service tier `on_demand` on tokens per "
    "minute (TPM): Limit 6000, Used 5034, Requested 1443. Please try again in 4.77s. Need more tokens? Upgrade to Dev "
    "Tier today at https://console.groq.com/settings/billing"
)
# What a validation error quotes of the request must not be taken for the provider's own words.
_FASTAPI_QUOTING = {
    "detail": [
        {
            "type": "extra_forbidden",
            "loc": ["body", "store"],
            "msg": "Extra inputs are not permitted",
            "input": [{"role": "user", "content": "insufficient_quota, rate limit, invalid api key, content_filter"}],
        }
    ]
}

REFUSED = (
    # ------------------------------------------------------------------------------------------- too long
    Refused(
        "OpenAI",
        CONTEXT,
        400,
        _openai(
            "This model's maximum context length is 4097 tokens. However, your messages resulted in 6988 tokens. "
            "Please reduce the length of the messages.",
            "context_length_exceeded",
            param="messages",
        ),
    ),
    Refused("OpenAI, newer", CONTEXT, 400, _openai("Your input exceeds the context window of this model.")),
    Refused(
        "OpenAI, one request over a minute's tokens",
        CONTEXT,
        429,
        _openai(
            "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 342389. The input or output "
            "tokens must be reduced in order to run successfully.",
            "rate_limit_exceeded",
            type="tokens",
        ),
    ),
    Refused("Groq", CONTEXT, 413, _openai(_GROQ_LARGE, "rate_limit_exceeded", type="tokens")),
    Refused(
        "Groq, over the context",
        CONTEXT,
        400,
        _openai("Please reduce the length of the messages or completion.", "context_length_exceeded"),
    ),
    Refused(
        "Anthropic-compatible",
        CONTEXT,
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "prompt is too long: 213462 tokens > 200000 maximum",
            },
        },
    ),
    Refused(
        "Anthropic-compatible, by bytes",
        CONTEXT,
        413,
        {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}},
    ),
    Refused(
        "Gemini",
        CONTEXT,
        400,
        _gemini(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        ),
    ),
    Refused(
        "Mistral",
        CONTEXT,
        400,
        {
            "object": "error",
            "message": "Prompt contains 40961 tokens and 0 draft tokens, too large for model with 32768 maximum context "
            "length",
            "type": "invalid_request_error",
            "param": None,
            "code": "3051",
        },
    ),
    Refused(
        "DeepSeek",
        CONTEXT,
        400,
        _openai(
            "This model's maximum context length is 131072 tokens. However, you requested 131134 tokens (122942 in the "
            "messages, 8192 in the completion). Please reduce the length of the messages or completion.",
            "invalid_request_error",
        ),
    ),
    Refused(
        "OpenRouter",
        CONTEXT,
        400,
        {
            "error": {
                "message": "This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 "
                "tokens (40000 of text input). Please reduce the length of either one.",
                "code": 400,
                "metadata": {"provider_name": None},
            }
        },
    ),
    Refused(
        "OpenRouter, what its provider said",
        CONTEXT,
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": '{"error":{"message":"Input length 131393 exceeds the maximum allowed input length of 131040 '
                    'tokens.","code":400}}',
                    "provider_name": "SomeProvider",
                },
            }
        },
    ),
    Refused(
        "DashScope",
        CONTEXT,
        400,
        {
            **_openai(
                "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 983616]",
                "invalid_parameter_error",
            ),
            "request_id": "81a373d6",
        },
    ),
    Refused(
        "Moonshot",
        CONTEXT,
        400,
        {
            "error": {
                "message": "Invalid request: Your request exceeded model token limit: 8192",
                "type": "invalid_request_error",
            }
        },
    ),
    Refused("Zhipu", CONTEXT, 400, {"error": {"code": "1261", "message": "Prompt 超长"}}),
    Refused(
        "xAI",
        CONTEXT,
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        },
    ),
    Refused(
        "Together",
        CONTEXT,
        422,
        _openai(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens"
        ),
    ),
    Refused(
        "Fireworks",
        CONTEXT,
        400,
        {
            "error": {
                "object": "error",
                "type": "invalid_request_error",
                "code": "invalid_request_error",
                "message": "The prompt is too long: 8210, model maximum context length: 8191",
            }
        },
    ),
    Refused(
        "Cohere",
        CONTEXT,
        400,
        {
            "id": "f1f3",
            "message": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 10007.",
        },
    ),
    Refused("vLLM", CONTEXT, 400, {"object": "error", "message": _VLLM_LONG, "type": "BadRequestError", "code": 400}),
    Refused(
        "SGLang",
        CONTEXT,
        400,
        {
            "object": "error",
            "message": "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
    Refused(
        "llama.cpp",
        CONTEXT,
        400,
        {
            "error": {
                "code": 400,
                "message": "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 4390,
                "n_ctx": 4096,
            }
        },
    ),
    Refused(
        "llama.cpp, as 500",
        CONTEXT,
        500,
        {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}},
    ),
    Refused("llama-cpp-python", CONTEXT, 400, _openai("Requested tokens (2285) exceed context window of 2048")),
    Refused("LM Studio", CONTEXT, 400, {"error": _LM_STUDIO_LONG}),
    Refused(
        "LM Studio, newer",
        CONTEXT,
        400,
        {
            "error": "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: "
            "13055>= n_ctx: 4096). Try to load the model with a larger context length, or provide a shorter input."
        },
    ),
    Refused(
        "Ollama", CONTEXT, 400, {"error": {"message": "prompt too long; exceeded max context length by 12 tokens"}}
    ),
    Refused(
        "LiteLLM",
        CONTEXT,
        400,
        {
            "error": {
                "message": "litellm.BadRequestError: litellm.ContextWindowExceededError: OpenAIException - too long\n"
                "model=gpt-4o. context_window_fallbacks=None. fallbacks=None.",
                "type": None,
                "param": None,
                "code": "400",
            }
        },
    ),
    Refused(
        "a gateway", CONTEXT, 400, _openai("Prompt has 5,958 tokens, but the configured context size is 4,096 tokens")
    ),
    Refused(
        "vLLM, older",
        CONTEXT,
        400,
        {"message": "The decoder prompt (length 10000) is longer than the maximum model length of 4096."},
    ),
    Refused("Cerebras", CONTEXT, 400, {"message": "Current length is 9000 while limit is 8192", "type": "x"}),
    Refused("a proxy", CONTEXT, 413, "<html><h1>413 Request Entity Too Large</h1></html>"),
    # ------------------------------------------------------------------------------------------- filtered
    Refused(
        "Azure",
        FILTER,
        400,
        _openai(
            _AZURE_FILTER,
            "content_filter",
            param="prompt",
            status=400,
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"violence": {"filtered": True, "severity": "high"}},
            },
        ),
    ),
    Refused(
        "Azure, by the inner error alone",
        FILTER,
        400,
        _openai("No.", innererror={"code": "ResponsibleAIPolicyViolation"}),
    ),
    Refused(
        "OpenAI",
        FILTER,
        400,
        _openai(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "invalid_prompt"
        ),
    ),
    Refused(
        "Anthropic-compatible",
        FILTER,
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"},
        },
    ),
    Refused(
        "DashScope",
        FILTER,
        400,
        _openai(
            "<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content.",
            "data_inspection_failed",
            type="data_inspection_failed",
        ),
    ),
    Refused("DeepSeek", FILTER, 400, _openai("Content Exists Risk", "invalid_request_error")),
    Refused(
        "Moonshot",
        FILTER,
        400,
        {
            "error": {
                "message": "The request was rejected because it was considered high risk",
                "type": "content_filter",
            }
        },
    ),
    Refused(
        "Zhipu",
        FILTER,
        400,
        {
            "contentFilter": [{"level": 1, "role": "user"}],
            "error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容，感谢您的配合。"},
        },
    ),
    Refused(
        "Z.ai",
        FILTER,
        400,
        {"error": {"code": "x", "message": "System detected potentially unsafe or sensitive content in input."}},
    ),
    Refused(
        "OpenRouter",
        FILTER,
        403,
        {
            "error": {
                "code": 403,
                "message": 'some/model requires moderation on SomeProvider. Your input was flagged for "violence".',
                "metadata": {"reasons": ["violence"], "flagged_input": "..."},
            }
        },
    ),
    Refused(
        "xAI",
        FILTER,
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE",
        },
    ),
    Refused(
        "LiteLLM",
        FILTER,
        400,
        {
            "error": {
                "message": "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - filtered",
                "type": None,
                "code": "400",
                "provider_specific_fields": {"innererror": {"code": "ResponsibleAIPolicyViolation"}},
            }
        },
    ),
    Refused("OpenAI, images", FILTER, 400, _openai("Your request was rejected as a result of our safety system.")),
    Refused("new-api", FILTER, 400, _openai("user sensitive words detected", "sensitive_words_detected")),
    # ------------------------------------------------------------------------------------------- used up
    Refused("OpenAI", QUOTA, 429, _openai(_GEMINI_QUOTA, "insufficient_quota", type="insufficient_quota")),
    Refused(
        "OpenAI, an old account",
        QUOTA,
        429,
        _openai("Your account is not active, please check your billing details.", "billing_not_active"),
    ),
    Refused(
        "Anthropic-compatible",
        QUOTA,
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            },
        },
    ),
    Refused(
        "Gemini, for the day",
        QUOTA,
        429,
        _gemini(
            429,
            "RESOURCE_EXHAUSTED",
            _GEMINI_QUOTA,
            _quota(
                "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "GenerateRequestsPerDayPerProjectPerModel"
            ),
            _RETRY_38S,
        ),
    ),
    Refused("DeepSeek", QUOTA, 402, _openai("Insufficient Balance", "invalid_request_error", type="unknown_error")),
    Refused(
        "OpenRouter",
        QUOTA,
        402,
        {
            "error": {
                "message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
                "code": 402,
            }
        },
    ),
    Refused(
        "OpenRouter, for less",
        QUOTA,
        402,
        {
            "error": {
                "message": "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, "
                "but can only afford 2000.",
                "code": 402,
            }
        },
    ),
    Refused(
        "OpenRouter, a key's limit",
        QUOTA,
        403,
        {"error": {"message": "Key limit exceeded (total limit).", "code": 403}},
    ),
    Refused(
        "OpenRouter, for the day",
        QUOTA,
        429,
        {
            "error": {
                "message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests "
                "per day",
                "code": 429,
                "metadata": {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1780358400000"}},
            }
        },
    ),
    Refused(
        "DashScope",
        QUOTA,
        400,
        _openai("Access denied, please make sure your account is in good standing.", "Arrearage", type="Arrearage"),
    ),
    Refused(
        "DashScope, the free part",
        QUOTA,
        403,
        _openai("The free tier of the model has been exhausted.", "AllocationQuota.FreeTierOnly"),
    ),
    Refused(
        "Moonshot",
        QUOTA,
        429,
        {
            "error": {
                "message": "Your account org-1<ak-1> is suspended, please check your plan and billing details",
                "type": "exceeded_current_quota_error",
            }
        },
    ),
    Refused("Zhipu", QUOTA, 429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}),
    Refused(
        "Z.ai, Anthropic-compatible",
        QUOTA,
        429,
        {
            "type": "error",
            "error": {"type": "1113", "message": "Insufficient balance or no resource package. Please recharge."},
        },
    ),
    Refused("xAI", QUOTA, 429, {"code": "Some resource has been exhausted", "error": _XAI_SPENT}),
    Refused(
        "xAI, no subscription",
        QUOTA,
        403,
        {"code": "x", "error": "You have run out of credits or need a Grok subscription."},
    ),
    Refused(
        "Together",
        QUOTA,
        402,
        _openai(
            "Credit limit exceeded, please navigate to https://api.together.ai/settings/billing", type="credit_limit"
        ),
    ),
    Refused(
        "Fireworks",
        QUOTA,
        412,
        {
            "error": {
                "message": "Account someone is suspended, possibly due to reaching the monthly spending limit or failure "
                "to pay past invoices."
            }
        },
    ),
    Refused(
        "Cohere",
        QUOTA,
        429,
        {"message": "You are using a Trial key, which is limited to 1000 API calls / month. Upgrade at cohere.com"},
    ),
    Refused(
        "SiliconFlow",
        QUOTA,
        403,
        {
            "code": 30011,
            "message": "The selected model requires paid balance. Your paid balance is insufficient. Please top up.",
            "data": None,
        },
    ),
    Refused(
        "Hugging Face",
        QUOTA,
        402,
        {
            "error": "You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO to get more."
        },
    ),
    Refused(
        "LiteLLM",
        QUOTA,
        400,
        {
            "error": {
                "message": "Budget has been exceeded! Current cost: 26.075, Max budget: 0.25",
                "type": "budget_exceeded",
                "param": None,
                "code": "400",
            }
        },
    ),
    Refused(
        "LiteLLM, an end user's",
        QUOTA,
        429,
        _openai("ExceededBudget: End User=x over budget. Spend=0.1, Budget=0.01", "400"),
    ),
    Refused(
        "new-api",
        QUOTA,
        403,
        _openai("用户额度不足, 剩余额度: ＄0.000000", "insufficient_user_quota", type="new_api_error"),
    ),
    Refused("xAI, new", QUOTA, 403, {"code": "x", "error": "Your newly created team doesn't have any credits yet."}),
    Refused("Z.ai", QUOTA, 429, {"error": {"code": "x", "message": "Your account is in arrears, please recharge."}}),
    Refused("any, by the status alone", QUOTA, 402, ""),
    # ------------------------------------------------------------------------------------------- too often
    Refused(
        "OpenAI",
        RATE,
        429,
        _openai(
            "Rate limit reached for gpt-4 in organization org on requests per min (RPM): Limit 3, Used 3, Requested 1. "
            "Please try again in 20s.",
            "rate_limit_exceeded",
            type="requests",
        ),
        {"retry-after-ms": "1250", "retry-after": "2"},
        1.25,
    ),
    Refused(
        "OpenAI, in words alone", RATE, 429, _openai("Rate limit reached. Please try again in 6m3.5s."), {}, 363.5
    ),
    Refused(
        "OpenAI, in headers alone",
        RATE,
        429,
        _openai("Slow down.", "rate_limit_exceeded"),
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1m30s",
            "x-ratelimit-remaining-tokens": "149",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        90,
    ),
    Refused("Azure", RATE, 429, _openai(_AZURE_RATE, "429"), {}, 20),
    Refused("Azure, with a header", RATE, 429, _openai(_AZURE_RATE, "RateLimitReached"), {"Retry-After": "17"}, 17),
    Refused(
        "Anthropic-compatible",
        RATE,
        429,
        {"type": "error", "error": {"type": "rate_limit_error", "message": "This request would exceed your limit."}},
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-06-01T12:00:12Z",
        },
        12,
    ),
    Refused(
        "Gemini",
        RATE,
        429,
        _gemini(
            429,
            "RESOURCE_EXHAUSTED",
            _GEMINI_QUOTA,
            _quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
            _RETRY_38S,
        ),
        {},
        38,
    ),
    Refused(
        "Gemini, in an object", RATE, 429, _gemini(429, "RESOURCE_EXHAUSTED", _GEMINI_QUOTA, _RETRY_38S)[0], {}, 38
    ),
    Refused(
        "Gemini, in words alone",
        RATE,
        429,
        _gemini(429, "RESOURCE_EXHAUSTED", f"{_GEMINI_QUOTA}\nPlease retry in 10.970611001s."),
        {},
        10.970611001,
    ),
    Refused(
        "Gemini, inside a text",
        RATE,
        429,
        {"error": {"message": json.dumps(_gemini(429, "RESOURCE_EXHAUSTED", "x", _RETRY_38S)[0]), "code": 429}},
        {},
        38,
    ),
    Refused(
        "Mistral", RATE, 429, {"object": "error", "message": "Requests rate limit exceeded", "code": "1300"}, {}, 5
    ),
    Refused(
        "Mistral, full",
        RATE,
        429,
        {"object": "error", "message": "Service tier capacity exceeded for this model.", "code": "3505"},
        {},
        5,
    ),
    Refused("Groq", RATE, 429, _openai(_GROQ_RATE, "rate_limit_exceeded", type="tokens"), {}, 4.77),
    Refused(
        "OpenRouter",
        RATE,
        429,
        {
            "error": {
                "message": "Rate limit exceeded: free-models-per-min. ",
                "code": 429,
                "metadata": {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1780315230000"}},
            }
        },
        {},
        30,
    ),
    Refused(
        "DashScope",
        RATE,
        429,
        _openai("Requests rate limit exceeded, please try again later.", "limit_requests", type="limit_requests"),
        {},
        5,
    ),
    Refused(
        "Moonshot",
        RATE,
        429,
        {
            "error": {
                "message": "Your account request reached max organization RPM: 3, please try again after 1 seconds",
                "type": "rate_limit_reached_error",
            }
        },
        {},
        1,
    ),
    Refused("Zhipu", RATE, 429, {"error": {"code": "1302", "message": "您当前使用该API的并发数过高"}}, {}, 5),
    Refused(
        "Bedrock behind a proxy", RATE, 429, {"message": "Too many tokens, please wait before trying again."}, {}, 5
    ),
    Refused("Together", RATE, 429, _openai("You have reached the limit.", type="dynamic_request_limited"), {}, 5),
    Refused("LiteLLM", RATE, 429, {"error": {"message": "litellm.RateLimitError: x", "code": "429"}}, {}, 5),
    Refused("FastAPI", RATE, 429, {"detail": "Rate limit exceeded: 5 per 1 minute"}, {}, 5),
    Refused("a date", RATE, 429, "", {"Retry-After": format_datetime(NOW.replace(second=44), usegmt=True)}, 44),
    Refused(
        "Vertex AI",
        RATE,
        429,
        [{"error": {"code": 429, "message": "Resource exhausted. Please try again later."}}],
        {},
        5,
    ),
    Refused(
        "Zhipu, too often", RATE, 429, {"error": {"code": "1303", "message": "您当前使用该API的频率过高"}}, {}, 5
    ),
    Refused("nginx", RATE, 429, "<html><h1>429 Too Many Requests</h1></html>", {}, 5),
    Refused("too long a wait", RATE, 429, "", {"retry-after-ms": "1e12"}, 3600),
    Refused("no number", RATE, 429, "", {"retry-after-ms": "nan"}, 5),
    Refused(
        "no number, and a limit",
        RATE,
        429,
        "",
        {
            "retry-after-ms": "-1",
            "retry-after": "inf",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "7s",
        },
        7,
    ),
    Refused(
        "a wait without end", RATE, 429, {"error": {"message": f"Please try again in {'9' * 400} seconds"}}, {}, 5
    ),
    Refused(
        "a reset in the past",
        RATE,
        429,
        {"error": {"metadata": {"headers": {"X-RateLimit-Reset": "1400000000000"}}}},
        {},
        5,
    ),
    # ------------------------------------------------------------------------------------------- no such model
    Refused(
        "OpenAI",
        MODEL,
        404,
        _openai("The model `gpt-9` does not exist or you do not have access to it.", "model_not_found"),
    ),
    Refused(
        "Azure",
        MODEL,
        404,
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}},
    ),
    Refused(
        "Anthropic-compatible",
        MODEL,
        404,
        {"type": "error", "error": {"type": "not_found_error", "message": "model: x-9"}},
    ),
    Refused(
        "Gemini",
        MODEL,
        404,
        _gemini(404, "NOT_FOUND", "models/x-9 is not found for API version v1main, or is not supported for chat."),
    ),
    Refused(
        "Mistral",
        MODEL,
        400,
        {"object": "error", "message": "Invalid model: x-9", "type": "invalid_model", "code": "1500"},
    ),
    Refused("DeepSeek", MODEL, 400, _openai("Model Not Exist", "invalid_request_error")),
    Refused(
        "Groq",
        MODEL,
        400,
        _openai("The model `x` has been decommissioned and is no longer supported.", "model_decommissioned"),
    ),
    Refused("OpenRouter", MODEL, 400, {"error": {"message": "x/y is not a valid model ID", "code": 400}}),
    Refused(
        "OpenRouter, no provider", MODEL, 404, {"error": {"message": "No endpoints found for x/y.", "code": 404}}
    ),
    Refused(
        "DashScope", MODEL, 404, _openai("The model `x` does not exist or you do not have access.", "model_not_found")
    ),
    Refused(
        "Moonshot",
        MODEL,
        404,
        {"error": {"message": "Not found the model x or Permission denied", "type": "resource_not_found_error"}},
    ),
    Refused("Zhipu", MODEL, 400, {"error": {"code": "1211", "message": "模型不存在，请检查模型代码。"}}),
    Refused("xAI", MODEL, 400, {"code": "Client specified an invalid argument", "error": "Model not found: grok-9"}),
    Refused(
        "xAI, for a team",
        MODEL,
        404,
        {
            "code": "Some requested entity was not found",
            "error": "The model grok-9 does not exist or your team does not have access to it.",
        },
    ),
    Refused(
        "Together",
        MODEL,
        404,
        _openai("Unable to access model x. Please visit https://api.together.ai/models", "model_not_available"),
    ),
    Refused(
        "Fireworks",
        MODEL,
        404,
        {
            "error": {
                "message": "Model not found, inaccessible, and/or not deployed",
                "param": "model",
                "code": "NOT_FOUND",
            }
        },
    ),
    Refused("Cohere", MODEL, 404, {"message": "model 'x' not found, make sure the correct model ID was used"}),
    Refused(
        "Ollama",
        MODEL,
        404,
        {"error": {"message": 'model "x" not found, try pulling it first', "type": "api_error", "code": None}},
    ),
    Refused("Ollama, in one text", MODEL, 404, {"error": "model 'x' not found"}),
    Refused(
        "vLLM",
        MODEL,
        404,
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
    ),
    Refused(
        "LM Studio",
        MODEL,
        404,
        {"error": {"message": "No models loaded. Please load a model.", "code": "model_not_found"}},
    ),
    Refused(
        "LiteLLM",
        MODEL,
        400,
        {
            "error": {
                "message": "/chat/completions: Invalid model name passed in model=x. Call `/v1/models`",
                "code": "400",
            }
        },
    ),
    Refused(
        "new-api", MODEL, 503, _openai("分组 default 下模型 x 无可用渠道", "model_not_found", type="new_api_error")
    ),
    # ------------------------------------------------------------------------------------------- no such key
    Refused(
        "OpenAI", KEY, 401, _openai("Incorrect API key provided: x. You can find your API key at", "invalid_api_key")
    ),
    Refused(
        "Azure",
        KEY,
        401,
        {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}},
    ),
    Refused(
        "Anthropic-compatible",
        KEY,
        401,
        {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}},
    ),
    Refused(
        "Gemini",
        KEY,
        400,
        _gemini(
            400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {"reason": "API_KEY_INVALID"}
        ),
    ),
    Refused("Mistral", KEY, 401, {"detail": "Unauthorized"}),
    Refused(
        "DeepSeek",
        KEY,
        401,
        _openai("Authentication Fails, Your api key: ****x is invalid", type="authentication_error"),
    ),
    Refused("OpenRouter", KEY, 401, {"error": {"message": "No auth credentials found", "code": 401}}),
    Refused("Zhipu", KEY, 401, {"error": {"code": "1000", "message": "身份验证失败。"}}),
    Refused(
        "xAI",
        KEY,
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xx***."},
    ),
    Refused("Cohere", KEY, 401, {"message": "invalid api token"}),
    Refused("Fireworks", KEY, 403, {"error": {"message": "unauthorized", "code": "UNAUTHORIZED"}}),
    Refused("vLLM", KEY, 401, {"error": "Unauthorized"}),
    Refused(
        "llama.cpp", KEY, 401, {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}}
    ),
    Refused(
        "LiteLLM",
        KEY,
        401,
        {
            "error": {
                "message": "Authentication Error, Invalid proxy server token passed.",
                "type": "token_not_found_in_db",
            }
        },
    ),
    Refused(
        "Gemini, no key",
        KEY,
        403,
        _gemini(
            403,
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity).",
        ),
    ),
    Refused("any, by the status alone", KEY, 401, "<html>401</html>"),
    # ----------------------------------------------------------------------------------------- temperature
    Refused(
        "OpenAI",
        TEMPERATURE,
        400,
        _openai(
            "Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is "
            "supported.",
            "unsupported_value",
            param="temperature",
        ),
    ),
    Refused(
        "OpenAI, by a proxy without the parameter's name",
        TEMPERATURE,
        400,
        _openai("Unsupported parameter: 'temperature' is not supported with this model."),
    ),
    Refused(
        "LiteLLM",
        TEMPERATURE,
        400,
        _openai(
            "litellm.UnsupportedParamsError: gpt-5 models don't support temperature=0.84. Only temperature=1 is "
            "supported.",
        ),
    ),
    Refused("Moonshot", TEMPERATURE, 400, _openai("invalid temperature: only 1 is allowed for this model")),
    Refused(
        "Anthropic-compatible",
        TEMPERATURE,
        400,
        _openai("`temperature` may only be set to 1 when thinking is enabled.", type="<nil>"),
    ),
    Refused(
        "Anthropic-compatible, with the operator's top_p",
        TEMPERATURE,
        400,
        _openai("`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    ),
    Refused("Anthropic-compatible, out of range", TEMPERATURE, 400, _openai("temperature: range: 0..1")),
    Refused("Anthropic-compatible, newer", TEMPERATURE, 400, _openai("`temperature` is deprecated for this model.")),
    Refused(
        "GigaChat",
        TEMPERATURE,
        422,
        {"status": 422, "message": "Invalid params: temperature must be in range (0, +inf)"},
    ),
    Refused(
        "DashScope",
        TEMPERATURE,
        400,
        _openai("<400> InternalError.Algo.InvalidParameter: Range of temperature should be [0.0, 2.0)"),
    ),
    Refused(
        "Mistral",
        TEMPERATURE,
        422,
        {
            "object": "error",
            "message": {
                "detail": [
                    {
                        "type": "less_than_equal",
                        "loc": ["body", "temperature"],
                        "msg": "Input should be less than or equal to 1.5",
                        "input": 2,
                    }
                ]
            },
        },
    ),
    Refused("a gateway", REJECTED, 400, _openai("The request's field 'room_temperature_c' is not known.")),
    # ------------------------------------------------------------------------------------------- none of these
    Refused("FastAPI, quoting the request", REJECTED, 422, _FASTAPI_QUOTING),
    Refused("a wrong address", REJECTED, 404, {"detail": "Not Found"}),
    Refused("a wrong address at Azure", REJECTED, 404, {"error": {"code": "404", "message": "Resource not found"}}),
    Refused(
        "a country",
        REJECTED,
        403,
        _openai("Country, region, or territory not supported", "unsupported_country_region"),
    ),
    Refused("a parameter", REJECTED, 400, _openai("For model x, the parameter 'logprobs' is not supported.")),
    Refused("a redirect", REJECTED, 307, "Unauthorized", {"Location": "/login"}),
    Refused("a temperature", REJECTED, 400, _openai("Invalid 'temperature': expected a value <= 2, but got 200.")),
    Refused(
        "OpenAI",
        UNAVAILABLE,
        503,
        _openai("The engine is currently overloaded, please try again later.", type="server_error"),
    ),
    Refused(
        "Anthropic-compatible",
        UNAVAILABLE,
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ),
    Refused(
        "Gemini", UNAVAILABLE, 503, _gemini(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
    ),
    Refused(
        "vLLM, loading", UNAVAILABLE, 503, {"error": "the model is not found in memory yet"}, {"Retry-After": "7"}, 7
    ),
    Refused(
        "Moonshot",
        UNAVAILABLE,
        503,
        {"error": {"type": "engine_overloaded_error", "message": "The engine is overloaded"}},
    ),
)

STREAMED = (
    Streamed("OpenAI", RATE, _openai(_GROQ_RATE, "rate_limit_exceeded"), 4.77),
    Streamed("OpenAI, spent", QUOTA, _openai(_GEMINI_QUOTA, "insufficient_quota")),
    Streamed("OpenAI, server", UNAVAILABLE, _openai("The server had an error", type="server_error")),
    Streamed("a text", CONTEXT, {"error": _LM_STUDIO_LONG}),
    Streamed("a text of no kind", UNAVAILABLE, {"error": "boom"}),
    Streamed("vLLM", CONTEXT, {"object": "error", "message": _VLLM_LONG, "type": "BadRequestError", "code": 400}),
    Streamed("vLLM, newer", CONTEXT, {"error": {"message": _VLLM_LONG, "type": "BadRequestError", "code": 400}}),
    Streamed(
        "vLLM, of no kind", REJECTED, {"object": "error", "message": "x", "type": "BadRequestError", "code": 400}
    ),
    Streamed("Mistral", RATE, {"object": "Error", "message": "Requests rate limit exceeded", "code": "1300"}, 5),
    Streamed("Gemini", RATE, _gemini(429, "RESOURCE_EXHAUSTED", _GEMINI_QUOTA, _RETRY_38S), 38),
    Streamed(
        "Gemini, over several lines without `data:`",
        RATE,
        json.dumps(_gemini(429, "RESOURCE_EXHAUSTED", _GEMINI_QUOTA, _RETRY_38S), indent=2).encode(),
        38,
    ),
    Streamed("Gemini, overloaded", UNAVAILABLE, _gemini(503, "UNAVAILABLE", "The model is overloaded.")),
    Streamed(
        "OpenRouter",
        QUOTA,
        {
            "id": "gen-1",
            "object": "chat.completion.chunk",
            "error": {"code": 402, "message": "Insufficient credits"},
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        },
    ),
    Streamed("OpenRouter, by the number alone", KEY, {"error": {"code": 401, "message": "User not found."}}),
    Streamed(
        "Anthropic-compatible",
        RATE,
        b'event: error\ndata: {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}\n\n',
        5,
    ),
    Streamed(
        "Anthropic-compatible, overloaded",
        UNAVAILABLE,
        b'event: error\r\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\r\n\r\n',
    ),
    Streamed(
        "LM Studio", CONTEXT, b"event: error\ndata: " + json.dumps({"message": _LM_STUDIO_LONG}).encode() + b"\n\n"
    ),
    Streamed("an event in plain words", RATE, b"event: error\ndata: 429 Too Many Requests\n\n", 5),
    Streamed("an event without a description", UNAVAILABLE, b"event: error\ndata: {}\n\n"),
    Streamed("an event in two packets", KEY, b"event: error\ndata: Unauthorized\n\n"),
    Streamed(
        "llama.cpp",
        CONTEXT,
        b'error: {"code": 400, "message": "the request exceeds the available context size", "type": "x"}\n\n',
    ),
    Streamed("a line in plain words", QUOTA, b"error: insufficient balance\n\n"),
    Streamed(
        "DashScope",
        FILTER,
        b'data: {"code": "DataInspectionFailed", "message": "Output data may be inappropriate"}\n\n',
    ),
    Streamed("FastAPI", KEY, {"detail": "Invalid API key"}),
    Streamed("FastAPI, a list", REJECTED, {"detail": [{"msg": "x", "code": 422}]}),
    Streamed(
        "one line without `data:`", MODEL, b'{"error": {"message": "The model `x` does not exist", "code": 404}}\n'
    ),
    Streamed("one line without an end", KEY, b'{"error": {"message": "Invalid API Key", "code": 401}}'),
    Streamed("LiteLLM", CONTEXT, {"error": {"message": "litellm.ContextWindowExceededError: x", "code": "400"}}),
    Streamed(
        "new-api",
        FILTER,
        {"error": {"message": "prompt blocked", "type": "new_api_error", "code": "sensitive_words_detected"}},
    ),
)
