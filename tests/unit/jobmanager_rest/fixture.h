/* A job with two vertices on two task managers, made by hand, and JSON that is looked into by path. */
#ifndef FLINC_TESTS_JOBMANAGER_REST_FIXTURE_H
#define FLINC_TESTS_JOBMANAGER_REST_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>
#include <stdio.h>

#include "common/text/json.h"
#include "jobmanager/rest/shape/shape.h"
#include <cmocka.h>

#define JOB_ID "0102030405060708090a0b0c0d0e0f10"
#define SOURCE_ID "11111111111111111111111111111111"
#define SINK_ID "22222222222222222222222222222222"
#define TM_1 "tm-1:6122-abc123"
#define TM_2 "tm-2:6122-def456"
enum { STARTED_MS = 1000000, TAKEN_MS = 1005000 };

/* Running since STARTED_MS: "Source: Text" (2 subtasks) and "Sink: Print" (2 subtasks), one of each on
 * TM_1 and TM_2; the sink's first subtask is in its second attempt. */
/* What fixture_job() of a job that runs has; lives for ever. */
const struct checkpoint_stats *fixture_checkpoints(void);
struct job_details *fixture_job(enum job_status status);
struct flinc_id fixture_id(const char *hex);

/* Writes a shape into text and parses it; asserts that it is JSON. */
struct shape_text {
    struct str text;
    struct json_writer w;
    struct json_node *root;
};
void shape_begin(struct shape_text *s);
void shape_end(struct shape_text *s);
void shape_fini(struct shape_text *s);

/* Values by a path as in "vertices.0.metrics.read-bytes"; asserted to be there with that type. */
const struct json_node *node_at(const struct json_node *root, const char *path);
int64_t int_at(const struct json_node *root, const char *path);
const char *text_at(const struct json_node *root, const char *path);
bool bool_at(const struct json_node *root, const char *path);
double double_at(const struct json_node *root, const char *path);
size_t count_at(const struct json_node *root, const char *path);
bool has(const struct json_node *root, const char *path);

#endif
