/* Files for prompts (docs/chat.md). */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "cli/client.h"

/* Uploads the file under the last part of its path; ERR_BACKEND: the server refused it. */
enum err_code upload_file(struct client *client, const char *path, struct id *ret,
                          struct err *err) MUST_CHECK;
