"""Artifacts: how one is made, what it is called, how it is used and fetched."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from tests.standin.state import ENTITY, WHEN, Answer, Artifact, State, answers, project_info


@answers("CreateArtifact")
def create_artifact(state: State, variables: dict[str, Any]) -> Answer:
    given = variables["input"]
    aliases = {item["alias"] for item in given.get("aliases") or []}
    entity, project = given["entityName"] or ENTITY, given["projectName"]
    (name,) = given.get("artifactCollectionNames") or [given["artifactCollectionName"]]
    known = state.versions(entity, project, name)
    same = next((one for one in known if one.digest == given["digest"]), None)
    if same is not None and given.get("enableDigestDeduplication", True):
        take_aliases(state, same, aliases)
        return {"createArtifact": {"artifact": made(same, known)}}
    artifact = Artifact(
        number=len(state.artifacts) + 1,
        entity=entity,
        project=project,
        name=name,
        type=given["artifactTypeName"],
        digest=given["digest"],
        client_id=given.get("clientID") or "",
        aliases=aliases,
        metadata=json.loads(given.get("metadata") or "{}"),
        description=given.get("description"),
        maker=state.find_run(entity, project, given.get("runName")),
    )
    state.artifacts.append(artifact)
    return {"createArtifact": {"artifact": made(artifact, known)}}


def made(artifact: Artifact, known: list[Artifact]) -> Answer:
    latest = {"id": known[-1].id} if known else None
    return {"id": artifact.id, "state": state_of(artifact), "artifactSequence": {"latestArtifact": latest}}


def state_of(artifact: Artifact) -> str:
    return "PENDING" if artifact.version is None else "COMMITTED"


def take_aliases(state: State, artifact: Artifact, aliases: set[str]) -> None:
    """An alias names one version of a collection: the others lose it."""
    for other in state.artifacts:
        if other is not artifact and other.collection == artifact.collection and other.version is not None:
            other.aliases -= aliases
    artifact.aliases |= aliases


@answers("CreateArtifactManifest")
def create_manifest(state: State, variables: dict[str, Any]) -> Answer:
    artifact = state.by_id(variables["artifactID"])
    assert artifact is not None
    artifact.manifest = f"manifests/{artifact.id}/{variables['name']}"
    return {"createArtifactManifest": {"artifactManifest": manifest_file(state, artifact)}}


@answers("UpdateArtifactManifest")
def update_manifest(state: State, variables: dict[str, Any]) -> Answer:
    artifact = state.by_id(variables["artifactManifestID"].removeprefix("manifest-"))
    assert artifact is not None
    return {"updateArtifactManifest": {"artifactManifest": manifest_file(state, artifact)}}


def manifest_file(state: State, artifact: Artifact) -> Answer:
    assert artifact.manifest is not None
    place = {"uploadUrl": state.place(artifact.manifest), "uploadHeaders": []}
    return {"id": f"manifest-{artifact.id}", "file": {"id": "F", **place}}


@answers("CreateArtifactFiles")
def create_files(state: State, variables: dict[str, Any]) -> Answer:
    edges = []
    for given in variables["input"]["artifactFiles"]:
        artifact = state.by_id(given["artifactID"])
        assert artifact is not None
        key = f"artifacts/{artifact.id}/{given['name']}"
        artifact.files[given["name"]] = key
        edges.append({"node": {
            "storagePath": key,
            "uploadUrl": state.place(key),
            "uploadHeaders": [],
            "uploadMultipartUrls": None,
            "artifact": {"id": artifact.id},
        }})  # fmt: skip
    return {"createArtifactFiles": {"files": {"edges": edges}}}


@answers("CommitArtifact")
def commit_artifact(state: State, variables: dict[str, Any]) -> Answer:
    artifact = state.by_id(variables["artifactID"])
    assert artifact is not None
    if artifact.version is None:
        artifact.version = len(state.versions(*artifact.collection))
    take_aliases(state, artifact, set(artifact.aliases))
    return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.digest}}}


@answers("UseArtifact")
def use_artifact(state: State, variables: dict[str, Any]) -> Answer:
    # The front end sends the fields one by one, wandb-core as one input.
    given = variables.get("input") or variables
    artifact = state.by_id(given["artifactID"])
    run = state.find_run(given["entityName"], given["projectName"], given["runName"])
    assert artifact is not None
    assert run is not None
    if artifact not in run.used:
        run.used.append(artifact)
    return {"useArtifact": {"artifact": described(artifact)}}


@answers("UpdateArtifact", "AddAliases")
def update_artifact(state: State, variables: dict[str, Any]) -> Answer:
    given = variables.get("input") or variables
    artifact = state.by_id(given["artifactID"])
    assert artifact is not None
    if given.get("metadata"):
        artifact.metadata = json.loads(given["metadata"])
    take_aliases(state, artifact, {item["alias"] for item in given.get("aliases") or []})
    return {
        "result": {"success": True, "artifact": described(artifact)},
        "updateArtifact": {"artifact": described(artifact)},
    }


@answers("ClientIDMapping")
def client_id_mapping(state: State, variables: dict[str, Any]) -> Answer:
    artifact = state.by_id(variables["clientID"])
    return {"clientIDMapping": None if artifact is None else {"serverID": artifact.id}}


@answers("ArtifactByID")
def artifact_by_id(state: State, variables: dict[str, Any]) -> Answer:
    artifact = state.by_id(variables["id"])
    return {"artifact": None if artifact is None else described(artifact)}


@answers("ArtifactType")
def artifact_type(state: State, variables: dict[str, Any]) -> Answer:
    artifact = named(state, variables)
    found = None if artifact is None else {"artifactType": {"name": artifact.type}}
    return {"project": {"artifact": found}}


@answers("ArtifactMembershipByName")
def membership_by_name(state: State, variables: dict[str, Any]) -> Answer:
    artifact = named(state, variables)
    found = None if artifact is None else {
        "__typename": "ArtifactCollectionMembership",
        "id": f"member-{artifact.id}",
        "versionIndex": artifact.version,
        "createdAt": WHEN,
        "aliases": aliases_of(artifact),
        "artifactCollection": collection_of(artifact),
        "artifact": described(artifact),
    }  # fmt: skip
    return {"project": {"artifactCollectionMembership": found}}


def named(state: State, variables: dict[str, Any]) -> Artifact | None:
    return state.artifact(variables["name"], variables.get("entity") or ENTITY, variables["project"])


def collection_of(artifact: Artifact) -> Answer:
    project = project_info(artifact.entity, artifact.project)
    return {"__typename": "ArtifactSequence", "name": artifact.name, "project": project}


def aliases_of(artifact: Artifact) -> list[Answer]:
    return [
        {
            "__typename": "ArtifactAlias",
            "id": f"alias-{alias}",
            "alias": alias,
            "artifactCollection": collection_of(artifact),
        }
        for alias in sorted(artifact.aliases)
    ]


def described(artifact: Artifact) -> Answer:
    """All that the SDK asks of an artifact."""
    return {
        "__typename": "Artifact",
        "id": artifact.id,
        "artifactSequence": collection_of(artifact),
        "versionIndex": artifact.version,
        "artifactType": {"name": artifact.type},
        "description": artifact.description,
        "metadata": json.dumps(artifact.metadata),
        "ttlDurationSeconds": -1,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": state_of(artifact),
        "size": 0,
        "digest": artifact.digest,
        "digestAlgorithm": "MANIFEST_MD5",
        "commitHash": artifact.digest,
        "fileCount": len(artifact.files),
        "createdAt": WHEN,
        "updatedAt": WHEN,
        "aliases": aliases_of(artifact),
    }


@answers("FetchArtifactManifest", "ArtifactManifest")
def fetch_manifest(state: State, variables: dict[str, Any]) -> Answer:
    artifact = state.by_id(variables.get("id") or variables["artifact_id"])
    assert artifact is not None
    assert artifact.manifest is not None
    return {"artifact": {"currentManifest": {"file": {"directUrl": state.place(artifact.manifest)}}}}


@answers("GetArtifactMembershipFileUrls")
def file_urls(state: State, variables: dict[str, Any]) -> Answer:
    reference = f"{variables['collection']}:{variables['alias']}"
    artifact = state.artifact(reference, variables["entity"], variables["project"])
    assert artifact is not None
    edges = [
        {"node": {"__typename": "File", "name": name, "directUrl": state.place(key)}}
        for name, key in artifact.files.items()
    ]
    files = {"pageInfo": last_page(), "edges": edges}
    return {
        "project": {
            "artifactCollection": {"__typename": "ArtifactSequence", "artifactMembership": {"files": files}}
        }
    }


def last_page() -> Answer:
    return {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}


@answers("RunOutputArtifacts")
def run_outputs(state: State, variables: dict[str, Any]) -> Answer:
    run = state.find_run(variables["entity"], variables["project"], variables["run"])
    return of_run([one for one in state.artifacts if run is not None and one.maker is run])


@answers("RunInputArtifacts")
def run_inputs(state: State, variables: dict[str, Any]) -> Answer:
    run = state.find_run(variables["entity"], variables["project"], variables["run"])
    return of_run([] if run is None else run.used)


def of_run(artifacts: list[Artifact]) -> Answer:
    edges = [{"node": described(one)} for one in artifacts if one.version is not None]
    page = {"totalCount": len(edges), "pageInfo": last_page(), "edges": edges}
    return {"project": {"run": {"artifacts": page}}}


@answers("ArtifactCreatedBy")
def created_by(state: State, variables: dict[str, Any]) -> Answer:
    artifact = state.by_id(variables["id"])
    assert artifact is not None
    run = artifact.maker
    return {"artifact": {"createdBy": None if run is None else run_info(run)}}


@answers("ArtifactUsedBy")
def used_by(state: State, variables: dict[str, Any]) -> Answer:
    artifact = state.by_id(variables["id"])
    users = [run for run in state.runs if artifact in run.used]
    return {"artifact": {"usedBy": {"edges": [{"node": run_info(run)} for run in users]}}}


def run_info(run: Any) -> Answer:
    project = project_info(run.entity, run.project)
    return {"__typename": "Run", "id": run.id, "name": run.name, "project": project}


def put_artifact(
    state: State, reference: str, files: dict[str, bytes], metadata: dict[str, Any], kind: str = "model"
) -> Artifact:
    """Put an artifact on the server as if a run had logged it; ``reference`` is ``PROJECT/NAME``."""
    project, name = reference.split("/")
    number = len(state.artifacts) + 1
    artifact = Artifact(
        number, ENTITY, project, name, kind, f"d{number}", "", {"latest"}, metadata, None, None
    )
    state.artifacts.append(artifact)
    contents = {}
    for file, data in files.items():
        key = f"artifacts/{artifact.id}/{file}"
        artifact.files[file], state.stored[key] = key, data
        digest = base64.b64encode(hashlib.md5(data).digest()).decode()
        contents[file] = {"digest": digest, "size": len(data), "birthArtifactID": artifact.id}
    manifest = {
        "version": 1,
        "storagePolicy": "wandb-storage-policy-v1",
        "storagePolicyConfig": {"storageLayout": "V2"},
        "contents": contents,
    }
    artifact.manifest = f"manifests/{artifact.id}/wandb_manifest.json"
    state.stored[artifact.manifest] = json.dumps(manifest).encode()
    commit_artifact(state, {"artifactID": artifact.id})
    return artifact
