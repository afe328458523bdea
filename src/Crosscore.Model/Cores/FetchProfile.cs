namespace Crosscore.Model.Cores;

/// <summary>What a processor promises of instruction fetch after code was changed.</summary>
public enum FetchProfile
{
    /// <summary>
    /// Intel's manual (SDM vol. 3, 9.1.3 and the errata on unsynchronized cross-modifying code): a core may execute
    /// what it fetched before until it executes a serializing instruction, or, for its own store through the address
    /// that it executes, until a jump. Executing code that another core changed without that is promised nothing,
    /// unless the change is a store of one byte.
    /// </summary>
    Sdm,

    /// <summary>
    /// AMD's manual (APM vol. 2, 7.6.1): as above, but a change within an aligned quadword is fetched as the old or the
    /// new, never as anything else.
    /// </summary>
    Amd,

    /// <summary>
    /// Instruction fetch is coherent with stores: what no manual promises and measured processors do.
    /// </summary>
    Coherent,
}
