/* From a packed job graph and the files of its libraries to a job: what /jobs and /jars/:jarid/run share.
 * Thread: any; waits. */
#ifndef FLINC_JOBMANAGER_REST_SUBMISSION_H
#define FLINC_JOBMANAGER_REST_SUBMISSION_H

#include "jobmanager/rest/rest_internal.h"

/* A file that may be a library of the graph: by the name that a client sent it under, or, without one, by
 * the path that the library was loaded from. */
struct library_file {
    const char *name, *path; /* Borrow; name NULL: a file of ours */
};
/* Takes the graph; *ret_id: the job's.  ERR_ALREADY_EXISTS: a job of that id is there; ERR_NOT_FOUND names
 * the libraries that no file is. */
int submission_run(struct rest_server *s, Flinc__JobGraph *take_graph,
                   const struct library_file *files, size_t n_files, struct flinc_id *ret_id,
                   struct error *err) MUST_CHECK;

#endif
