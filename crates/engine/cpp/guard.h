// Turns C++ exceptions into error texts at the C boundary.
#pragma once

#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

// A copy that C can free; null when memory is gone.
inline char * engawa_copy(const std::string & text) {
    char * copy = static_cast<char *>(std::malloc(text.size() + 1));
    if (copy) {
        std::memcpy(copy, text.c_str(), text.size() + 1);
    }
    return copy;
}

// Runs `body`; on an exception sets `error` and returns `fallback`.
template <typename Result, typename Body> Result engawa_guard(char ** error, Result fallback, Body && body) {
    try {
        return body();
    } catch (const std::exception & exception) {
        *error = engawa_copy(exception.what());
    } catch (...) {
        *error = engawa_copy("unknown C++ exception");
    }
    return fallback;
}
