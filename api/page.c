/*
 * The document of the API and the pages: everything that needs no key.  Pages load nothing from
 * anywhere else and run no inline script.
 */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api_page_gen.h"
#include "event/schema.h"

static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
			     "connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
			     "form-action 'none'; frame-ancestors 'none'";

static void serve_text(struct http_reply *reply, const char *media_type, enum api_page_id id)
{
	const struct text *text = &api_page_texts[id];

	http_reply_header(reply, "Content-Security-Policy", "%s", policy);
	http_reply_header(reply, "Referrer-Policy", "no-referrer");
	http_reply_header(reply, "Cache-Control", "no-cache");
	answer_text(reply, media_type, str_make(text->text, text->len));
}

void serve_page(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	serve_text(reply, "text/html; charset=utf-8", API_PAGE_PAGE);
}

void serve_page_script(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	serve_text(reply, "text/javascript; charset=utf-8", API_PAGE_PAGE_SCRIPT);
}

void serve_page_style(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	serve_text(reply, "text/css; charset=utf-8", API_PAGE_PAGE_STYLE);
}

void serve_device_page(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	serve_text(reply, "text/html; charset=utf-8", API_PAGE_DEVICE);
}

void serve_device_script(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	serve_text(reply, "text/javascript; charset=utf-8", API_PAGE_DEVICE_SCRIPT);
}

void serve_docs(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	serve_text(reply, "text/html; charset=utf-8", API_PAGE_DOCS);
}

void serve_docs_script(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	serve_text(reply, "text/javascript; charset=utf-8", API_PAGE_DOCS_SCRIPT);
}

void serve_openapi(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	http_reply_header(reply, "Cache-Control", "no-cache");
	rest_openapi(&reply->body, node_version());
}

void serve_event_schema(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	reply->content_type = "application/schema+json";
	http_reply_header(reply, "Cache-Control", "no-cache");
	event_schema_write(&reply->body);
}

void serve_openapi_root(struct http_request *req, struct http_reply *reply)
{
	serve_openapi(req, reply);
}
