namespace Crosscore.Litmus.Assemblers;

/// <summary>
/// The memory that all threads of a run share, besides the test's own: one word that asks all threads to leave, then
/// one number for each thread on a separate cache line, so that waiting for one thread does not disturb another. The
/// number is the iteration that the thread has arrived at.
/// </summary>
internal static class SharedBlock
{
    /// <summary>The word that asks all threads to leave: not zero means leave.</summary>
    public const int Leave = 0;

    /// <summary>Gets the number of a thread.</summary>
    /// <param name="thread">The thread.</param>
    public static int Line(int thread) => Distance * (1 + thread);

    /// <summary>Gets the bytes of the block.</summary>
    /// <param name="threads">How many threads there are.</param>
    public static int Size(int threads) => Line(threads);

    // Two lines, because some processors fetch lines in pairs (Intel optimization manual, "spatial prefetcher").
    private const int Distance = 128;
}
