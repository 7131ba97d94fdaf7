// The web page: the files of src/serve/page, which are part of the program.
#pragma once

#include <string_view>

#include "serve/http_message.h"

namespace pith {

struct PageFile {
  std::string_view path;  // of requests: "/", "/page/page.js"
  std::string_view content_type;
  std::string_view etag;  // with its quotes; another one for other content
  std::string_view content;
};

// The file at the path of a request; null where there is none.
const PageFile* find_page_file(std::string_view path);

// The file; 304 without content where the client has it. Browsers are told to run and load
// nothing but what this server gives, and to show the page in no frame.
HttpResponse page_response(const PageFile& file, const HttpRequest& request);

}  // namespace pith
