#include "worker/session_upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "cred/base64url.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "upload/upload.h"
#include "upload/upload_fetch.h"
#include "worker/beneath.h"
#include "worker/session_adapter.h"

enum {
	BLOCKS_MAX = 4 * 1024 * 1024, /* of a prompt without its pictures */
	PICTURE_MAX = UPLOAD_IMAGE_MAX / 3 * 4 + 8,
	GROUP = 3, /* bytes that are four letters */
	PATH_MAX_BYTES = 512,
	NOTE_MAX = 1024,
};

/* Nobody's work: git passes over the folder, whoever asks it. */
static const char ignore_file[] = WORKSPACE_UPLOADS "/.gitignore";

/* Its letters are put into its block when that is parsed: to write and to parse megabytes in one go
 * would hold up everybody else. */
struct picture {
	STAILQ_ENTRY(picture) link;
	size_t at; /* of the blocks */
	struct buf letters;
};

struct taking {
	struct session_run *s;
	struct jsonw *blocks, *attachments;
	bool images;            /* the agent takes them */
	size_t count, pictures; /* blocks; bytes of pictures */
	STAILQ_HEAD(, picture) shown;
};

/* ---- telling ---- */

static void say_error(struct session_run *s, const char *code, const char *message)
{
	struct buf text;
	struct jsonw w;

	event_text_init(&text);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "code", code);
	jsonw_cstr(&w, "message", message);
	jsonw_end_object(&w);
	(void)session_say(s, EVENT_TYPE_ERROR, &text);
	buf_fini(&text);
}

static void add_text(struct taking *t, const char *text)
{
	struct jsonw *w = t->blocks;

	t->count++;
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", "text");
	jsonw_cstr(w, "text", text);
	jsonw_end_object(w);
}

static void add_attachment(struct taking *t, const struct upload_fetch *fetch, bool image)
{
	struct jsonw *w = t->attachments;

	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", image ? "image" : "file");
	jsonw_cstr(w, "upload", fetch->upload.s);
	jsonw_cstr(w, "name", fetch->name);
	jsonw_cstr(w, "media_type", fetch->media_type);
	jsonw_u64(w, "size", fetch->size);
	jsonw_end_object(w);
}

/* ---- where it goes ---- */

/* Part by part: between two of them others have their turn. */
static enum err_code letters_of(struct upload_fetch *fetch, struct str part, struct buf *out,
                                size_t *ret_bytes, struct err *err)
{
	enum err_code code = ERR_OK;
	struct buf left;

	buf_init(&left, UPLOAD_CHUNK + GROUP);
	while (code == ERR_OK && part.n > 0) {
		size_t whole;

		*ret_bytes += part.n;
		buf_add_str(&left, part);
		whole = left.len / GROUP * GROUP;
		cred_base64_encode(str_make(left.data, whole), out);
		buf_drop(&left, whole);
		code = buf_failed(&left) || *ret_bytes > UPLOAD_IMAGE_MAX
		               ? err_set(err, ERR_TOO_LARGE, "it is too large for a picture")
		               : upload_fetch_next(fetch, &part, err);
	}
	cred_base64_encode(buf_str(&left), out);
	buf_fini(&left);
	return code;
}

static void picture_free(struct picture *picture)
{
	buf_fini(&picture->letters);
	free(picture);
}

static enum err_code show(struct taking *t, struct upload_fetch *fetch, struct str part,
                          struct err *err)
{
	struct picture *picture = mem_calloc(1, sizeof(*picture));
	size_t bytes = 0;
	enum err_code code;

	buf_init(&picture->letters, PICTURE_MAX);
	code = letters_of(fetch, part, &picture->letters, &bytes, err);
	if (code == ERR_OK && t->pictures + bytes > UPLOAD_IMAGES_MAX) {
		code = err_set(err, ERR_TOO_LARGE, "the pictures are too large together");
	}
	if (code != ERR_OK) {
		picture_free(picture);
		return code;
	}
	t->pictures += bytes;
	picture->at = t->count++;
	STAILQ_INSERT_TAIL(&t->shown, picture, link);
	jsonw_object(t->blocks, NULL);
	jsonw_cstr(t->blocks, "type", "image");
	jsonw_cstr(t->blocks, "media_type", fetch->media_type);
	jsonw_end_object(t->blocks);
	return ERR_OK;
}

/* Into the blocks as they were parsed; NULL is fine. */
static void put_pictures(struct taking *t, struct json_value *blocks)
{
	struct picture *picture;

	while ((picture = STAILQ_FIRST(&t->shown)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->shown, link);
		(void)!json_add_str(blocks, picture->at, "data", buf_str(&picture->letters));
		picture_free(picture);
	}
}

static enum err_code save(struct session_run *s, struct upload_fetch *fetch, struct str part,
                          char path[PATH_MAX_BYTES], struct err *err)
{
	const struct beneath in = { s->workspace.path, &s->host->user };
	enum err_code code;

	(void)snprintf(path, PATH_MAX_BYTES, WORKSPACE_UPLOADS "/%s/%s", fetch->upload.s,
	               fetch->name);
	code = beneath_write(&in, STR_LIT(ignore_file), STR_LIT("*\n"), err);
	if (code == ERR_OK) {
		code = beneath_write(&in, str_of(path), STR_LIT(""), err);
	}
	while (code == ERR_OK && part.n > 0) {
		code = beneath_append(&in, str_of(path), part, err);
		if (code == ERR_OK) {
			code = upload_fetch_next(fetch, &part, err);
		}
	}
	return code;
}

/* ---- which there are ---- */

struct session_uploads {
	bool missing;
	size_t count;
	struct id ids[SESSION_UPLOADS_NOTED];
};

static void note_one(struct session_run *s, const struct id *upload)
{
	struct session_uploads *u = s->uploads;

	if (u == NULL) {
		u = s->uploads = arena_take(s->arena, sizeof(*u));
		u->missing = false;
		u->count = 0;
	}
	for (size_t i = 0; i < u->count; i++) {
		if (id_eq(&u->ids[i], upload)) {
			return;
		}
	}
	if (u->count == SESSION_UPLOADS_NOTED) {
		u->count--;
		memmove(u->ids, u->ids + 1, u->count * sizeof(*u->ids));
	}
	u->ids[u->count++] = *upload;
}

void session_uploads_list(const struct session_run *s, struct jsonw *w)
{
	jsonw_array(w, "uploads");
	for (size_t i = 0; s->uploads != NULL && i < s->uploads->count; i++) {
		jsonw_cstr(w, NULL, s->uploads->ids[i].s);
	}
	jsonw_end_array(w);
}

void session_uploads_know(struct session_run *s, const struct json_value *facts)
{
	const struct json_value *uploads = json_get(facts, "uploads");
	struct id id;

	for (size_t i = 0; i < json_count(uploads); i++) {
		if (id_parse(json_as_str(json_at(uploads, i)), &id)) {
			note_one(s, &id);
		}
	}
}

void session_uploads_miss(struct session_run *s)
{
	if (s->uploads != NULL) {
		s->uploads->missing = true;
	}
}

/* ---- where one goes ---- */

static enum err_code place(struct taking *t, struct upload_fetch *fetch, struct str part,
                           bool image, struct err *err)
{
	char path[PATH_MAX_BYTES], note[NOTE_MAX];
	enum err_code code;

	if (image && t->images) {
		return show(t, fetch, part, err);
	}
	code = save(t->s, fetch, part, path, err);
	if (code != ERR_OK) {
		return code;
	}
	note_one(t->s, &fetch->upload);
	if (image) {
		(void)snprintf(note, sizeof(note),
		               "the agent takes no pictures: %s is a file in its workspace",
		               fetch->name);
		say_error(t->s, "images_unsupported", note);
	}
	(void)snprintf(note, sizeof(note), "[Attached file: %s (%s)]", path, fetch->media_type);
	add_text(t, note);
	return ERR_OK;
}

/* Its first part says what it is. */
static enum err_code take(struct taking *t, struct upload_fetch *fetch, bool image, struct err *err)
{
	struct str part;
	enum err_code code = upload_fetch_next(fetch, &part, err);

	if (code == ERR_OK && (upload_check_name(str_of(fetch->name)) != NULL ||
	                       (image && !upload_is_image(str_of(fetch->media_type))))) {
		code = err_set(err, ERR_INVALID, "it is not what was asked for");
	}
	if (code == ERR_OK) {
		code = place(t, fetch, part, image, err);
	}
	if (code == ERR_OK) {
		add_attachment(t, fetch, image);
	}
	return code;
}

static void take_block(struct taking *t, const struct json_value *block)
{
	bool image = str_eq(json_as_str(json_get(block, "type")), STR_LIT("image"));
	struct upload_fetch fetch;
	char note[NOTE_MAX];
	struct err err;
	struct id id;

	if (!id_parse(json_as_str(json_get(block, "upload")), &id)) {
		return;
	}
	upload_fetch_init(&fetch, t->s->host->redis, &t->s->sid, &id);
	if (take(t, &fetch, image, &err) != ERR_OK && !fiber_cancelled()) {
		(void)snprintf(note, sizeof(note), "upload %s could not be given: %s", id.s,
		               err.msg);
		log_warn("upload.missing", "%s", note);
		say_error(t->s, "upload_missing", note);
		(void)snprintf(note, sizeof(note), "[An attachment is missing: %s]", err.msg);
		add_text(t, note);
	}
	upload_fetch_fini(&fetch);
}

/* ---- prompts ---- */

/* As the adapter told it, in one of the two ways of capabilities. */
static bool takes_images(const struct session_run *s)
{
	const struct session_adapter *a = s->adapter;
	struct json_value *can;
	const struct json_value *features;
	struct err err;
	bool takes;

	if (a == NULL || a->capabilities == NULL || (a->ops->features & ADAPTER_IMAGES) == 0) {
		return false;
	}
	can = json_parse(str_of(a->capabilities), &err);
	features = json_get(can, "features");
	takes = json_as_bool(json_get(can, "images"));
	for (size_t i = 0; i < json_count(features); i++) {
		takes = takes || str_eq(json_as_str(json_at(features, i)), STR_LIT("images"));
	}
	json_value_free(can);
	return takes;
}

static bool refers(const struct json_value *blocks)
{
	for (size_t i = 0; i < json_count(blocks); i++) {
		if (json_get(json_at(blocks, i), "upload") != NULL) {
			return true;
		}
	}
	return false;
}

static void add_as_it_is(struct taking *t, const struct json_value *block)
{
	struct buf text;

	t->count++;
	buf_init(&text, (size_t)2 * MAIL_BODY_MAX);
	json_format(block, &text);
	jsonw_raw(t->blocks, NULL, buf_str(&text));
	buf_fini(&text);
}

struct json_value *session_uploads_take(struct session_run *s, const struct json_value *blocks,
                                        struct buf *attachments)
{
	struct jsonw out, told;
	struct taking t = {
		.s = s, .blocks = &out, .attachments = &told, .images = takes_images(s)
	};
	struct json_value *taken;
	struct buf text;
	struct err err;

	if (!refers(blocks)) {
		return NULL;
	}
	STAILQ_INIT(&t.shown);
	buf_init(&text, BLOCKS_MAX);
	jsonw_init(&out, &text);
	jsonw_init(&told, attachments);
	jsonw_array(&out, NULL);
	jsonw_array(&told, NULL);
	for (size_t i = 0; i < json_count(blocks); i++) {
		if (json_get(json_at(blocks, i), "upload") == NULL) {
			add_as_it_is(&t, json_at(blocks, i));
		} else {
			take_block(&t, json_at(blocks, i));
		}
	}
	jsonw_end_array(&out);
	jsonw_end_array(&told);
	taken = json_parse(buf_str(&text), &err);
	buf_fini(&text);
	put_pictures(&t, taken);
	return taken;
}

char *session_uploads_text(const struct json_value *blocks)
{
	struct buf text;

	buf_init(&text, (size_t)2 * MAIL_BODY_MAX);
	for (size_t i = 0; i < json_count(blocks); i++) {
		struct str part = json_as_str(json_get(json_at(blocks, i), "text"));

		if (text.len > 0 && part.n > 0) {
			buf_add_char(&text, '\n');
		}
		buf_add_str(&text, part);
	}
	return buf_take(&text);
}

void session_uploads_write(const struct session_run *s, struct jsonw *w)
{
	const struct upload_ref *refs = s->order.spec.prompt.uploads.items;

	for (size_t i = 0; i < s->order.spec.prompt.uploads.count; i++) {
		jsonw_object(w, NULL);
		jsonw_cstr(w, "type", refs[i].image ? "image" : "file");
		jsonw_cstr(w, "upload", refs[i].id.s);
		jsonw_end_object(w);
	}
}

/* ---- of the task, and again ---- */

/* NULL: the task's prompt refers to nothing. */
static struct json_value *take_task(struct session_run *s)
{
	struct json_value *blocks, *taken;
	struct buf attachments;
	struct err err;

	if (s->order.spec.prompt.uploads.count == 0) {
		return NULL;
	}
	event_text_init(&attachments);
	blocks = json_parse(task_prompt_json(&s->order.spec, s->arena), &err);
	taken = session_uploads_take(s, blocks, &attachments);
	json_value_free(blocks);
	buf_fini(&attachments);
	return taken;
}

static void take_before(struct session_run *s)
{
	struct json_value *taken = s->agent->type == TASK_AGENT_COMMAND ? take_task(s) : NULL;

	if (taken != NULL) {
		char *text = session_uploads_text(taken);

		s->prompt_text = arena_str(s->arena, str_of(text));
		free(text);
	}
	json_value_free(taken);
}

static bool is_of_task(const struct session_run *s, const struct id *upload)
{
	const struct upload_ref *refs = s->order.spec.prompt.uploads.items;

	for (size_t i = 0; i < s->order.spec.prompt.uploads.count; i++) {
		if (id_eq(&refs[i].id, upload)) {
			return true;
		}
	}
	return false;
}

/* Those of later prompts: those of the task come again by themselves. */
static void take_noted(struct session_run *s)
{
	const struct session_uploads *u = s->uploads;
	struct json_value *blocks;
	struct buf text, attachments;
	struct jsonw w;
	struct err err;

	buf_init(&text, (size_t)SESSION_UPLOADS_NOTED * 64);
	event_text_init(&attachments);
	jsonw_init(&w, &text);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < u->count; i++) {
		if (!is_of_task(s, &u->ids[i])) {
			jsonw_object(&w, NULL);
			jsonw_cstr(&w, "type", "file");
			jsonw_cstr(&w, "upload", u->ids[i].s);
			jsonw_end_object(&w);
		}
	}
	jsonw_end_array(&w);
	blocks = json_parse(buf_str(&text), &err);
	json_value_free(session_uploads_take(s, blocks, &attachments));
	json_value_free(blocks);
	buf_fini(&text);
	buf_fini(&attachments);
}

void session_uploads_before(struct session_run *s)
{
	if (s->uploads != NULL && s->uploads->missing) {
		s->uploads->missing = false;
		take_noted(s);
	}
	take_before(s);
}

void session_uploads_again(struct session_run *s)
{
	json_value_free(take_task(s));
}
