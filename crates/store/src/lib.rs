//! The world behind one port: a folder, or memory
