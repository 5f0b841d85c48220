/* `flink modify`: changes the parallelism of a job that runs under the adaptive scheduler, by its resource
 * requirements.  The job goes on from a checkpoint that is taken for it; nothing has to be stopped.
 *
 * Flink had an action of this name until 1.9; its successor is the REST route alone.  Thread: main. */
#include "client/cli/cli.h"
#include "client/submit/rest_client.h"
#include "common/base/clock.h"
#include "common/text/json_writer.h"
#include <stdio.h>
#include <strings.h>

/* A job as its cluster shows it, and what is asked of it. */
struct modification {
    const struct cli_args *args;
    struct rest_client *client; /* Owns */
    struct json_node *job;      /* Owns; /jobs/:id */
    struct json_node *bounds;   /* Owns; /jobs/:id/resource-requirements */
    int64_t widest;             /* upper bound */
    uint32_t n_changed;
};

static void modification_fini(struct modification *m)
{
    json_node_free(m->job);
    json_node_free(m->bounds);
    (void)rest_client_free(m->client);
}

static int check_args(const struct cli_args *args, struct error *err)
{
    struct flinc_id id;

    if (args->bundle == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Missing JobID. Specify a JobID to modify a job; flink list shows them.");
    }
    if (strlen(args->bundle) != ID_HEX_LEN || !id_parse(args->bundle, &id)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "'%s' is no JobID: those are 32 hexadecimal digits, as flink list shows "
                         "them.",
                         args->bundle);
    }
    if (args->parallelism == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Missing parallelism. Specify what the job is to run with, for instance "
                         "-p 4.");
    }
    return 0;
}

static int get(struct modification *m, const char *suffix, struct json_node **ret,
               struct error *err)
{
    STR_AUTO path = STR_INIT;

    str_printf(&path, "/jobs/%s%s", m->args->bundle, suffix);
    return rest_client_request(m->client, "GET", str_cstr(&path), (struct slice){NULL, 0}, ret,
                               err);
}

static int fetch(struct modification *m, struct error *err)
{
    TRY(rest_client_new(&m->args->conf, NULL, &m->client, err));
    TRY(get(m, "", &m->job, err));
    int rc = get(m, "/resource-requirements", &m->bounds, err);
    if (rc == ERR_STATE) {
        return error_set(err, ERR_UNSUPPORTED,
                         "The parallelism of job %s cannot be changed while it runs: it is under "
                         "the default scheduler. Start it with -D jobmanager.scheduler=adaptive "
                         "(or set this key in the cluster's configuration); a job that runs is "
                         "stopped with a savepoint (flink stop) and started from it with -s and "
                         "-p.",
                         m->args->bundle);
    }
    return rc;
}

static int64_t bound_of(const struct modification *m, const struct json_node *vertex,
                        const char *key)
{
    const struct json_node *of =
        json_field(m->bounds, json_field_text(vertex, "id", ""), JSON_TYPE_OBJECT);

    return json_field_int(json_field(of, "parallelism", JSON_TYPE_OBJECT), key, 1);
}

/* The vertex is named by -v: by its id, its name, or what its name begins with.  Without -v those are meant that are as
 * wide as the widest: who is narrower was made so, perhaps since it must be alone. */
static bool is_meant(const struct modification *m, const struct json_node *vertex)
{
    const char *text = m->args->vertex;

    if (text == NULL) {
        return bound_of(m, vertex, "upperBound") == m->widest;
    }
    return strcasecmp(json_field_text(vertex, "id", ""), text) == 0 ||
           cstr_starts_with(json_field_text(vertex, "name", ""), text);
}

/* Without -v each gets as wide as it can: others may be able to use more. */
static int64_t upper_bound(const struct modification *m, const struct json_node *vertex)
{
    int64_t max = json_field_int(vertex, "maxParallelism", m->args->parallelism);

    return m->args->vertex == NULL ? MIN((int64_t)m->args->parallelism, max)
                                   : (int64_t)m->args->parallelism;
}

static void write_bounds(struct modification *m, struct json_writer *w)
{
    const struct json_node *vertices = json_field(m->job, "vertices", JSON_TYPE_ARRAY);

    for (size_t i = 0; vertices != NULL && i < json_node_count(vertices); i++) {
        m->widest = MAX(m->widest, bound_of(m, json_node_at(vertices, i), "upperBound"));
    }
    json_writer_object(w);
    for (size_t i = 0; vertices != NULL && i < json_node_count(vertices); i++) {
        const struct json_node *vertex = json_node_at(vertices, i);
        const char *id = json_field_text(vertex, "id", "");
        int64_t lower = bound_of(m, vertex, "lowerBound");
        int64_t upper = bound_of(m, vertex, "upperBound");
        if (is_meant(m, vertex)) {
            upper = upper_bound(m, vertex);
            lower = MIN(lower, upper);
            m->n_changed++;
        }
        json_writer_key(w, id);
        json_writer_object(w);
        json_writer_key(w, "parallelism");
        json_writer_object(w);
        json_writer_put_int(w, "lowerBound", lower);
        json_writer_put_int(w, "upperBound", upper);
        json_writer_end(w);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_finish(w);
}

static int put(struct modification *m, struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO body = STR_INIT;
    struct json_writer w;

    json_writer_init(&w, &body, JSON_STYLE_COMPACT);
    write_bounds(m, &w);
    if (m->n_changed == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Job %s has no vertex '%s'. Its vertices are those that "
                         "GET /jobs/%s lists, by id or by name.",
                         m->args->bundle, m->args->vertex, m->args->bundle);
    }
    str_printf(&path, "/jobs/%s/resource-requirements", m->args->bundle);
    return rest_client_request(m->client, "PUT", str_cstr(&path), str_slice(&body), NULL, err);
}

int cli_modify(struct cli_args *args)
{
    struct error err = ERROR_INIT;
    struct modification m = {.args = args};

    int rc = check_args(args, &err);
    if (rc == 0) {
        printf("Modify job %s.\n", args->bundle);
        (void)fflush(stdout);
        rc = fetch(&m, &err);
    }
    if (rc == 0) {
        rc = put(&m, &err);
    }
    modification_fini(&m);
    if (rc < 0) {
        return cli_fail(&err);
    }
    printf("Job %s is to run with parallelism %u%s%s. It is rescaled as soon as its slots are "
           "there.\n",
           args->bundle, args->parallelism, args->vertex != NULL ? " at vertex " : "",
           args->vertex != NULL ? args->vertex : "");
    return CLI_EXIT_OK;
}
