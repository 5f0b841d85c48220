/* Bounds of the parallelism that a request has set; see recovery.h. */
#include "jobmanager/recovery/requirements.h"

#include "jobmanager/recovery/recovery_internal.h"
#include "proto/elastic.pb-c.h"

enum { REQUIREMENTS_VERSION = 1 };

void requirements_pack(const struct job_requirement *requirements, size_t n, struct str *ret_bytes)
{
    Flinc__JobRequirements message = FLINC__JOB_REQUIREMENTS__INIT;
    Flinc__VertexRequirement *vertices = MEM_NEW_ARRAY(Flinc__VertexRequirement, n + 1);
    message.version = REQUIREMENTS_VERSION;
    message.vertices = MEM_NEW_ARRAY(Flinc__VertexRequirement *, n + 1);
    message.n_vertices = n;
    for (size_t i = 0; i < n; i++) {
        const struct job_requirement *r = &requirements[i];
        flinc__vertex_requirement__init(&vertices[i]);
        vertices[i].vertex_id =
            (ProtobufCBinaryData){sizeof(r->vertex_id.bytes), (uint8_t *)r->vertex_id.bytes};
        vertices[i].lower = r->bounds.lower;
        vertices[i].upper = r->bounds.upper;
        message.vertices[i] = &vertices[i];
    }
    size_t size = flinc__job_requirements__get_packed_size(&message);
    str_reserve(ret_bytes, ret_bytes->len + size + 1);
    ret_bytes->len +=
        flinc__job_requirements__pack(&message, (uint8_t *)ret_bytes->data + ret_bytes->len);
    ret_bytes->data[ret_bytes->len] = '\0';
    mem_free(message.vertices);
    mem_free(vertices);
}

static int read_message(const Flinc__JobRequirements *message, struct vec *ret, struct error *err)
{
    if (message->version != REQUIREMENTS_VERSION) {
        return error_set(err, ERR_CORRUPT,
                         "bounds of the parallelism are of version %u; this release reads %d",
                         message->version, REQUIREMENTS_VERSION);
    }
    for (size_t i = 0; i < message->n_vertices; i++) {
        const Flinc__VertexRequirement *v = message->vertices[i];
        struct job_requirement r = {.bounds = {v->lower, v->upper}};
        if (v->vertex_id.len != sizeof(r.vertex_id.bytes)) {
            return error_set(err, ERR_CORRUPT,
                             "bounds of the parallelism: the id of a vertex has %zu bytes",
                             v->vertex_id.len);
        }
        memcpy(r.vertex_id.bytes, v->vertex_id.data, sizeof(r.vertex_id.bytes));
        *VEC_PUSH(ret, struct job_requirement) = r;
    }
    return 0;
}

int requirements_unpack(struct slice bytes, struct vec *ret, struct error *err)
{
    Flinc__JobRequirements *message =
        flinc__job_requirements__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    if (message == NULL) {
        return error_set(err, ERR_CORRUPT, "bounds of the parallelism: not a JobRequirements");
    }
    int rc = read_message(message, ret, err);
    flinc__job_requirements__free_unpacked(message, NULL);
    return rc;
}

int recovery_keep_requirements(struct recovery *r, const char *job_hex,
                               const struct job_requirement *requirements, size_t n,
                               struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    recovery_name(&name, "jobs", job_hex, "/requirements");
    requirements_pack(requirements, n, &bytes);
    pthread_mutex_lock(&r->lock);
    int rc = recovery_check_goes_on(r, job_hex, err);
    if (rc == 0) {
        rc = FAILPOINT(err, "recovery.requirements.before_write");
    }
    if (rc == 0) {
        rc = ha_put(r->ha, &r->token, str_cstr(&name), str_slice(&bytes), err);
    }
    pthread_mutex_unlock(&r->lock);
    if (rc < 0) {
        error_context(err, "keeping the bounds of the parallelism of job %s for the next leader",
                      job_hex);
    }
    return rc;
}

int requirements_fetch(struct recovery *r, const char *job_hex, struct vec *ret, struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    recovery_name(&name, "jobs", job_hex, "/requirements");
    int rc = ha_get(r->ha, &r->token, str_cstr(&name), &bytes, err);
    if (rc == ERR_NOT_FOUND || (rc == 0 && PLANTED("recovery.forgets_requirements"))) {
        error_clear(err);
        return 0;
    }
    TRY(rc);
    TRY_CTX(err, requirements_unpack(str_slice(&bytes), ret, err),
            "reading what high availability keeps of job %s", job_hex);
    return 0;
}
