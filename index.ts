/** The library entry of the package. */
export {};
