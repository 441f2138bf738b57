"""The only way out: requests to addresses a tenant can influence.

``policy`` decides (pure), ``resolution`` looks a name up once and lets the policy judge every answer,
``calls`` is the engine for executions (aiohttp), ``fetch`` the one for documents (httpx2).
"""
