namespace Crosscore;

/// <summary>Whose word is relied on where code changes under the threads that execute it.</summary>
public enum CodeMode
{
    /// <summary>
    /// The manuals': a core may run what it fetched before until it executes a serialising instruction, and only a change that the processor's manual calls atomic is fetched whole (Intel SDM
    /// vol. 3, 9.1.3; AMD APM vol. 2, 7.6.1). Of kernels, what the manual pages promise and the release is known to keep.
    /// </summary>
    Strict,

    /// <summary>
    /// What processors and kernels were measured to do, though nobody promises it: instruction fetch follows stores, a store within an aligned 8 bytes is fetched whole, and a page is exchanged whole. Faster in
    /// places, and possible where strict mode refuses. docs/code.md has the measurements.
    /// </summary>
    Measured,
}
