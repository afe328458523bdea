namespace Crosscore.Code;

/// <summary>The core synchronization that installing and reusing addresses rely on.</summary>
internal static class AllCores
{
    /// <summary>Synchronizes by what the manuals promise.</summary>
    public static void Synchronize() => Synchronize(CodeMode.Strict);

    /// <summary>
    /// Makes every core that runs a thread of this process execute a core-serializing instruction before this returns.
    /// Registers at the first use, which takes 10 to 25 ms in a process with threads.
    /// </summary>
    /// <param name="mode">Which guarantees to rely on.</param>
    /// <exception cref="CodeException">The kernel or a sandbox refuses it. It never falls back to something weaker: a
    /// memory barrier does not empty a pipeline.</exception>
    public static void Synchronize(CodeMode mode)
    {
        try
        {
            CoreSerialization.AllThreads(mode);
            CodeEvents.Synchronizations.Add(1);
        }
        catch (MembarrierException refusal)
        {
            throw Refused("The cores could not be synchronized", refusal);
        }
    }

    /// <summary>Registers now, where a refusal is still harmless.</summary>
    /// <param name="mode">Which guarantees to rely on.</param>
    /// <exception cref="CodeException">The kernel or a sandbox refuses it.</exception>
    public static void Prepare(CodeMode mode)
    {
        try
        {
            CoreSerialization.Prepare(mode);
        }
        catch (MembarrierException refusal)
        {
            throw Refused("Live code needs all cores to be synchronized", refusal);
        }
    }

    private static CodeException Refused(string what, MembarrierException refusal) =>
        new(CodeFailure.SynchronizationRefused, $"{what}: {refusal.Message}", refusal.Errno, refusal);
}
