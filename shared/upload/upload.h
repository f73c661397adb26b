/* What people attach to prompts: what it may be called, and what it is by its first bytes. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

enum {
	UPLOAD_NAME_MAX = 255,
	UPLOAD_TYPE_MAX = 127,
	UPLOAD_HEAD = 16,          /* bytes that say what it is */
	UPLOAD_CHUNK = 256 * 1024, /* bytes of a row */
	UPLOAD_OF_TENANT_MAX = 100000,
	UPLOAD_OF_PROMPT_MAX = 16,            /* that a prompt refers to */
	UPLOAD_IMAGE_MAX = 8 * 1024 * 1024,   /* that an agent is given */
	UPLOAD_IMAGES_MAX = 16 * 1024 * 1024, /* all of a prompt together */
	UPLOAD_SIZE_MAX = 1024 * 1024 * 1024,
};

/* What a prompt says of one: of the decoder (task/task_json.h). */
struct upload_ref {
	struct id id;
	bool image;       /* to be seen by the agent; else a file in its workspace */
	const char *path; /* of the field, for problems */
};

/* By the bytes that files of the kind begin with; NULL: none that is known. */
const char *upload_sniff(struct str head);
/* Is it a picture that agents take? */
bool upload_is_image(struct str media_type);

/* NULL, or the rule that a file's name breaks: it becomes one part of a path. */
const char *upload_check_name(struct str name);

/* What it counts as: declared is the value of a Content-Type field, "" for none.  Bytes that are of
 * a known kind are of that kind, whatever was said; saying another known kind, or text, is an
 * error. ERR_MEDIA_TYPE, ERR_INVALID (it is no media type). */
enum err_code upload_type(struct str declared, struct str head, char out[UPLOAD_TYPE_MAX + 1],
                          struct err *err) MUST_CHECK;
