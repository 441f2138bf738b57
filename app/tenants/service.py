"""What operators do. Each use case runs in a transaction of its own: the tenant is not known before it."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from app.audit.recorder import AuditRecorder, Resource, difference
from app.auth.context import Actor, Context, Origin
from app.core.ids import TenantId, new_id
from app.core.pagination import Page, PageRequest
from app.db.base import Json
from app.db.precondition import Precondition
from app.db.session import Database
from app.idempotency.errors import IdempotencyKeyReused
from app.models import AuditAction, Tenant, TenantStatus
from app.sealing.service import KeyCache, Sealer
from app.tenants.limits import TenantLimits
from app.tenants.repository import TenantDirectory
from app.tenants.schemas import TenantCreate, TenantUpdate

STATUS_ACTION = {
    TenantStatus.SUSPENDED: AuditAction.TENANT_SUSPENDED,
    TenantStatus.ACTIVE: AuditAction.TENANT_ACTIVATED,
}


class TenantService:
    def __init__(self, database: Database, keys: KeyCache, actor: Actor, origin: Origin) -> None:
        self._database = database
        self._keys = keys
        self._actor = actor
        self._origin = origin

    async def list(self) -> Sequence[Tenant]:
        async with self._database.transaction(None) as session:
            return await TenantDirectory(session).list()

    async def page(self, request: PageRequest) -> Page[Tenant]:
        async with self._database.transaction(None) as session:
            return await TenantDirectory(session).page(request)

    async def get(self, id: UUID) -> Tenant:
        async with self._database.transaction(None) as session:
            return await TenantDirectory(session).get(id)

    async def get_by_slug(self, slug: str) -> Tenant:
        async with self._database.transaction(None) as session:
            return await TenantDirectory(session).get_by_slug(slug)

    async def create(self, data: TenantCreate, key: str | None = None) -> Tenant:
        """A tenant and its first data key; with a ``key`` that made one before, that one.

        Raises ``TenantSlugTaken`` and ``IdempotencyKeyReused``.
        """
        creation_key = None if key is None else sha256(key.encode()).digest()
        fingerprint = _fingerprint(data)
        if creation_key is not None and (made := await self._find_made_with(creation_key, fingerprint)):
            return made
        tenant = Tenant(
            id=new_id(),
            slug=data.slug,
            name=data.name or data.slug,
            limits=_stored(data.limits),
            creation_key=creation_key,
            creation_fingerprint=fingerprint,
        )
        tenant_id = TenantId(tenant.id)
        async with self._database.transaction(tenant_id) as session:
            await TenantDirectory(session).save(tenant)
            await Sealer(session, tenant_id, self._keys).create_key()
            audit = AuditRecorder(session, self._context(tenant))
            audit.record(AuditAction.TENANT_CREATED, _resource(tenant), difference({}, _snapshot(tenant)))
        return tenant

    async def _find_made_with(self, creation_key: bytes, fingerprint: bytes) -> Tenant | None:
        async with self._database.transaction(None) as session:
            made = await TenantDirectory(session).find_made_with(creation_key)
        if made is not None and made.creation_fingerprint != fingerprint:
            raise IdempotencyKeyReused
        return made

    async def update(self, id: UUID, data: TenantUpdate, condition: Precondition) -> Tenant:
        async with self._database.transaction(TenantId(id)) as session:
            directory = TenantDirectory(session)
            tenant = await directory.get(id)
            condition.check(tenant)
            before = _snapshot(tenant)
            for field, value in data.given().items():
                setattr(tenant, field, _stored(value))
            changes = difference(before, _snapshot(tenant))
            if changes:
                await directory.save(tenant)
                action = AuditAction.TENANT_UPDATED
                if "status" in changes:
                    action = STATUS_ACTION[TenantStatus(tenant.status)]
                AuditRecorder(session, self._context(tenant)).record(action, _resource(tenant), changes)
        return tenant

    async def delete(self, id: UUID, condition: Precondition) -> None:
        """Everything of the tenant goes, its data keys first of all; only its audit records stay."""
        async with self._database.transaction(TenantId(id)) as session:
            directory = TenantDirectory(session)
            tenant = await directory.get(id)
            condition.check(tenant)
            audit = AuditRecorder(session, self._context(tenant))
            audit.record(AuditAction.TENANT_DELETED, _resource(tenant), difference(_snapshot(tenant), {}))
            await directory.delete(tenant)
        self._keys.forget(TenantId(id))

    def _context(self, tenant: Tenant) -> Context:
        return Context(TenantId(tenant.id), tenant.slug, self._actor, origin=self._origin)


def _fingerprint(data: TenantCreate) -> bytes:
    """Limits are named only where there are some, so that keys of former releases still fit."""
    limits = _stored(data.limits)
    return sha256(f"{data.slug} {data.name}{f' {limits}' if limits else ''}".encode()).digest()


def _snapshot(tenant: Tenant) -> Json:
    return {"slug": tenant.slug, "name": tenant.name, "status": str(tenant.status), "limits": tenant.limits}


def _stored(value: object) -> Any:
    return value.stored() if isinstance(value, TenantLimits) else value


def _resource(tenant: Tenant) -> Resource:
    return Resource("tenant", tenant.id, tenant.slug)
