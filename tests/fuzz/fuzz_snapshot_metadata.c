/* _metadata: any bytes are refused or are a message that makes sense, which encodes again and whose files can
 * be listed.
 *
 * The first byte chooses whether head and check sums are made right first. */
#include "engine/snapshot/metadata_format.h"
#include "engine/snapshot/output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Puts a right head and right check sums around the bytes. */
static void frame(const uint8_t *data, size_t size, struct str *ret)
{
    struct metadata_head head = {.tag = METADATA_TAG,
                                 .version = CHECKPOINT_METADATA_VERSION,
                                 .block_bytes = METADATA_BLOCK_BYTES,
                                 .size = size};
    uint64_t number = 0;
    head.crc = crc32c(0, &head, offsetof(struct metadata_head, crc));
    str_append(ret, (const char *)&head, sizeof(head));
    for (size_t at = 0; at < size; at += METADATA_BLOCK_BYTES) {
        size_t n = MIN((size_t)METADATA_BLOCK_BYTES, size - at);
        uint32_t crc = metadata_block_crc(number++, data + at, n);
        str_append(ret, (const char *)&crc, sizeof(crc));
        str_append(ret, (const char *)data + at, n);
    }
}

static void count(void *arg, const char *uri, const Flinc__StateBlob *blob)
{
    struct error err = ERROR_INIT;
    ASSERT(uri[0] != '\0' && blob->location[0] != '\0');
    ASSERT(blob->merged_since != 0 || blob->offset == 0);
    ASSERT(blob->offset <= UINT64_MAX - blob->size);
    for (uint64_t file_size = 0; file_size < 64; file_size += 21) {
        if (state_blob_check_file(blob, uri, file_size, &err) == 0) {
            ASSERT(state_blob_offset(blob) + blob->size <= file_size);
        }
    }
    (*(uint32_t *)arg)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    STR_AUTO bytes = STR_INIT;
    Flinc__CheckpointMetadata *m = NULL;
    if (size < 1) {
        return 0;
    }
    if (data[0] % 4 != 0) {
        frame(data + 1, size - 1, &bytes);
    } else if (size > 1) {
        str_append(&bytes, (const char *)data + 1, size - 1);
    }
    if (metadata_decode((const uint8_t *)str_cstr(&bytes), bytes.len, "fuzz", &m, NULL) == 0) {
        STR_AUTO again = STR_INIT;
        uint32_t n = 0;
        int rc = metadata_encode(m, &again, NULL);
        ASSERT(rc == 0);
        snapshot_each_file(m, "file:/d", count, &n);
        flinc__checkpoint_metadata__free_unpacked(m, NULL);
    }
    return 0;
}
