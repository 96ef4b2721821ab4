"""Names of attributes, as OpenTelemetry's semantic conventions have them: one version, in one file.

The GenAI conventions are still in development; a later version may rename them. Their counts of input tokens include
those that were read from a cache or written to it.
"""

SCHEMA_URL = "https://opentelemetry.io/schemas/1.42.0"

ERROR_TYPE = "error.type"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
ENVIRONMENT = "deployment.environment.name"

OPERATION = "gen_ai.operation.name"  # chat, embeddings; rerank is none of theirs
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
PROVIDERS = {"bedrock": "aws.bedrock"}  # where theirs is not our own name

# Ours.
TASK_KIND = "collections.task.kind"
TASK_ID = "collections.task.id"
TASK_ATTEMPT = "collections.task.attempt"
TASK_OUTCOME = "collections.task.outcome"
UPSTREAM = "collections.upstream"
