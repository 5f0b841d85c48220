/* Messages as byte buffers, errors as statuses (wire.h).  Thread: any. */
#include "common/rpc/grpc/wire.h"

#include "common/base/crc32c.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/rpc/channel.h"
#include "common/rpc/error_info.h"
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TRAILER "flinc-error-bin"

/* ---- messages ---------------------------------------------------------------------------------- */

/* A slice for so many bytes and their check sum. */
static grpc_slice slice_new(size_t size)
{
    return grpc_slice_malloc(size + RPC_WIRE_CHECK_BYTES);
}

/* Small slices hold their bytes themselves: by value it would be a copy that is sealed. */
static void slice_seal(grpc_slice *slice, uint32_t number)
{
    uint8_t *bytes = GRPC_SLICE_START_PTR(*slice);
    size_t size = GRPC_SLICE_LENGTH(*slice) - RPC_WIRE_CHECK_BYTES;
    uint32_t crc = crc32c(number, bytes, size);
    for (size_t i = 0; i < RPC_WIRE_CHECK_BYTES; i++) {
        bytes[size + i] = (uint8_t)(crc >> 8 * i);
    }
}

/* False: it is damaged. */
static bool slice_open(grpc_slice slice, uint32_t number, size_t *ret_size)
{
    const uint8_t *bytes = GRPC_SLICE_START_PTR(slice);
    size_t size = GRPC_SLICE_LENGTH(slice);
    uint32_t crc = 0;
    if (size < RPC_WIRE_CHECK_BYTES) {
        return false;
    }
    size -= RPC_WIRE_CHECK_BYTES;
    for (size_t i = 0; i < RPC_WIRE_CHECK_BYTES; i++) {
        crc |= (uint32_t)bytes[size + i] << 8 * i;
    }
    *ret_size = size;
    return crc == crc32c(number, bytes, size);
}

static grpc_byte_buffer *seal_buffer(grpc_slice take_slice, uint32_t number)
{
    slice_seal(&take_slice, number);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&take_slice, 1);
    grpc_slice_unref(take_slice);
    return buffer;
}

grpc_byte_buffer *rpc_wire_copy(const uint8_t *bytes, size_t size, uint32_t number)
{
    grpc_slice slice = slice_new(size);
    if (size > 0) {
        memcpy(GRPC_SLICE_START_PTR(slice), bytes, size);
    }
    return seal_buffer(slice, number);
}

grpc_byte_buffer *rpc_wire_pack(const ProtobufCMessage *message)
{
    grpc_slice slice = slice_new(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    return seal_buffer(slice, 0);
}

int rpc_wire_view_init(struct rpc_wire_view *v, grpc_byte_buffer *buffer, uint32_t number,
                       struct error *err)
{
    grpc_byte_buffer_reader reader;
    bool whole = buffer != NULL && grpc_byte_buffer_reader_init(&reader, buffer);
    if (whole) {
        v->slice = grpc_byte_buffer_reader_readall(&reader);
        grpc_byte_buffer_reader_destroy(&reader);
        whole = slice_open(v->slice, number, &v->size);
        if (whole) {
            v->bytes = GRPC_SLICE_START_PTR(v->slice);
            return 0;
        }
        grpc_slice_unref(v->slice);
    }
    error_set(
        err, ERR_CORRUPT,
        "a message was damaged on the way, or the one before it was lost: its check sum is wrong");
    error_set_class(err, ERROR_CLASS_TRANSIENT);
    return ERR_CORRUPT;
}

void rpc_wire_view_fini(struct rpc_wire_view *v)
{
    grpc_slice_unref(v->slice);
}

ProtobufCMessage *rpc_wire_unpack(grpc_byte_buffer *buffer,
                                  const ProtobufCMessageDescriptor *descriptor, struct error *err)
{
    struct rpc_wire_view v;
    if (rpc_wire_view_init(&v, buffer, 0, err) < 0) {
        return NULL;
    }
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, v.size, v.bytes);
    if (message == NULL) {
        error_set(err, ERR_INVALID_ARGUMENT, "%zu bytes that are no %s", v.size, descriptor->name);
    }
    rpc_wire_view_fini(&v);
    return message;
}

/* ---- statuses ---------------------------------------------------------------------------------- */

/* The first row of a code is what an error of that code becomes, the first row of a status what a status
 * without our trailer means. */
static const struct {
    int code;
    grpc_status_code status;
} status_rows[] = {
    {ERR_INVALID_ARGUMENT, GRPC_STATUS_INVALID_ARGUMENT},
    {ERR_PARSE, GRPC_STATUS_INVALID_ARGUMENT},
    {ERR_INVALID_CONFIG, GRPC_STATUS_INVALID_ARGUMENT},
    {ERR_NOT_FOUND, GRPC_STATUS_NOT_FOUND},
    {ERR_ALREADY_EXISTS, GRPC_STATUS_ALREADY_EXISTS},
    {ERR_PERMISSION, GRPC_STATUS_PERMISSION_DENIED},
    {ERR_PERMISSION, GRPC_STATUS_UNAUTHENTICATED},
    /* gRPC's own limit on messages says so. */
    {ERR_TOO_LARGE, GRPC_STATUS_RESOURCE_EXHAUSTED},
    {ERR_LIMIT, GRPC_STATUS_RESOURCE_EXHAUSTED},
    {ERR_UNSUPPORTED, GRPC_STATUS_UNIMPLEMENTED},
    {ERR_TIMEOUT, GRPC_STATUS_DEADLINE_EXCEEDED},
    {ERR_CANCELLED, GRPC_STATUS_CANCELLED},
    {ERR_UNAVAILABLE, GRPC_STATUS_UNAVAILABLE},
    {ERR_CLOSED, GRPC_STATUS_UNAVAILABLE},
    {ERR_CORRUPT, GRPC_STATUS_DATA_LOSS},
    {ERR_FENCED, GRPC_STATUS_FAILED_PRECONDITION},
    {ERR_FENCED, GRPC_STATUS_ABORTED},
    {ERR_INTERNAL, GRPC_STATUS_INTERNAL},
    {ERR_STATE, GRPC_STATUS_INTERNAL},
};

static grpc_status_code status_of_code(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(status_rows); i++) {
        if (status_rows[i].code == code) {
            return status_rows[i].status;
        }
    }
    return GRPC_STATUS_UNKNOWN;
}

static int code_of_status(grpc_status_code status)
{
    for (size_t i = 0; i < ARRAY_LEN(status_rows); i++) {
        if (status_rows[i].status == status) {
            return status_rows[i].code;
        }
    }
    return ERR_IO;
}

static grpc_slice pack_error(const struct error *why)
{
    char origin[ERROR_INFO_ORIGIN_MAX];
    Flinc__ErrorInfo info;
    error_info_fill(&info, why);
    error_info_set_origin(&info, why, origin);
    grpc_slice slice = slice_new(flinc__error_info__get_packed_size(&info));
    flinc__error_info__pack(&info, GRPC_SLICE_START_PTR(slice));
    slice_seal(&slice, 0);
    return slice;
}

void rpc_status_init(struct rpc_status *s, const struct error *why)
{
    *s = (struct rpc_status){.code = GRPC_STATUS_OK, .text = grpc_empty_slice()};
    if (why != NULL) {
        s->code = status_of_code(why->code);
        s->text = grpc_slice_from_copied_string(why->message);
        s->trailer.key = grpc_slice_from_static_string(ERROR_TRAILER);
        s->trailer.value = pack_error(why);
        s->n_trailers = 1;
    }
}

void rpc_status_fini(struct rpc_status *s)
{
    grpc_slice_unref(s->text);
    if (s->n_trailers > 0) {
        grpc_slice_unref(s->trailer.value);
    }
}

void rpc_status_op(struct rpc_status *s, grpc_op *op)
{
    op->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    op->data.send_status_from_server.trailing_metadata_count = s->n_trailers;
    op->data.send_status_from_server.trailing_metadata = &s->trailer;
    op->data.send_status_from_server.status = s->code;
    op->data.send_status_from_server.status_details = &s->text;
}

/* True: `value` is an error as pack_error() makes it. */
static bool unpack_error(const grpc_slice *value, struct error *ret)
{
    size_t size;
    Flinc__ErrorInfo *info =
        slice_open(*value, 0, &size)
            ? flinc__error_info__unpack(NULL, size, GRPC_SLICE_START_PTR(*value))
            : NULL;
    bool known = info != NULL && info->code < 0 && info->code >= ERR_CLOSED;
    if (known) {
        error_info_read(info, "", ret);
    }
    if (info != NULL) {
        flinc__error_info__free_unpacked(info, NULL);
    }
    return known;
}

void rpc_status_to_error(grpc_status_code code, const grpc_slice *text,
                         const grpc_metadata_array *trailers, const char *what, struct error *ret)
{
    error_clear(ret);
    if (code == GRPC_STATUS_OK) {
        error_set(ret, ERR_CLOSED, "%s: the peer closed it", what);
        return;
    }
    for (size_t i = 0; i < trailers->count; i++) {
        if (grpc_slice_str_cmp(trailers->metadata[i].key, ERROR_TRAILER) == 0 &&
            unpack_error(&trailers->metadata[i].value, ret)) {
            return;
        }
    }
    error_set(ret, code_of_status(code), "%s: %.*s", what,
              (int)MIN(GRPC_SLICE_LENGTH(*text), (size_t)ERROR_MESSAGE_MAX),
              (const char *)GRPC_SLICE_START_PTR(*text));
}
