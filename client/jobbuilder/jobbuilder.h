/* The jobbuilder: a child process that runs a bundle's main once, with an environment that keeps the graph
 * instead of running it, and gives the graph back.  User code may crash, hang or fill the memory in
 * it; its parent (jobmanager/builder) lives on.
 *
 * On descriptor 3, a socket: one BuildRequest comes, one BuildAnswer goes (proto/builder.proto), each
 * behind its length in 4 bytes, little-endian.  Descriptor 4 becomes standard output, the parent's to read.
 * Thread: main.  Flink: PackagedProgramUtils, in a process of its own. */
#ifndef FLINC_CLIENT_JOBBUILDER_JOBBUILDER_H
#define FLINC_CLIENT_JOBBUILDER_JOBBUILDER_H

#include "common/base/error.h"
#include "proto/builder.pb-c.h"

enum {
    JOBBUILDER_FD = 3,
    JOBBUILDER_OUTPUT_FD = 4,
    JOBBUILDER_REQUEST_BYTES_MAX = 64 * 1024 * 1024
};

/* Runs the main; the packed graph is the caller's to free. */
int jobbuilder_build(const Flinc__BuildRequest *request, ProtobufCBinaryData *ret_graph,
                     struct error *err) MUST_CHECK;

#endif
