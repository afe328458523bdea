namespace Crosscore.Litmus.Assemblers;

/// <summary>
/// Offsets in a thread's control block in perpetual mode: what the thread is given for a batch, and what it gives back.
/// </summary>
internal static class PerpetualControl
{
#pragma warning disable CS1591 // offsets, named for the slots of the loop's frame
    public const int Shared = 0;
    public const int Memory = 8;
    public const int Log = 16;
    public const int LogEnd = 24;
    public const int Limit = 32;
    public const int Iterations = 40;
    public const int Answer = 48;
    public const int Size = 128;
#pragma warning restore CS1591

    /// <summary>Gets the bytes of an entry of the fast side's log.</summary>
    /// <param name="loads">How many registers it has.</param>
    public static int FastEntry(int loads) => 8 * (1 + loads);

    /// <summary>Gets the bytes of an entry of the slow side's log.</summary>
    /// <param name="loads">How many registers it has.</param>
    public static int SlowEntry(int loads) => 8 * (2 + loads);
}
