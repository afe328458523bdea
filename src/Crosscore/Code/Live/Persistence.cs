using Crosscore.Threads;

namespace Crosscore.Code;

/// <summary>
/// Repeats a synchronization of all cores where one refusal is not final: a kernel that has granted it a moment ago
/// refuses only because memory is exhausted. An interruption of the thread is not final either, and is given back to
/// the thread afterwards.
/// </summary>
internal static class Persistence
{
    private const int Tries = 100;

    /// <summary>
    /// Synchronizes for a change that can neither be undone nor be completed without it. If the refusals last, of
    /// whatever kind they are, this ends the process rather than let it run code of which one half is old and the other
    /// new.
    /// </summary>
    /// <param name="synchronize">Serializes all cores, or throws.</param>
    public static void Insist(Action synchronize)
    {
        if (Try(synchronize) is { } refusal)
        {
            Environment.FailFast(
                "Crosscore: a patch of live code is half written, and the kernel still refuses to synchronize the "
                    + $"cores: {refusal.Message}"
            );
        }
    }

    /// <summary>
    /// Synchronizes after a patch was undone in memory. Until it is serialized, a core that has fetched the new
    /// instructions may continue to execute them, and one that has not executes the old ones. Each instruction is
    /// whole, and one begins at every place where a thread can be, so a refusal throws and does not end the process.
    /// </summary>
    /// <param name="synchronize">Serializes all cores, or throws.</param>
    /// <param name="refusal">Why the patch was undone.</param>
    /// <exception cref="CodeException">Refused each time; <see cref="CodeFailure.OldCodeNotConfirmed"/>.</exception>
    public static void MakeForgotten(Action synchronize, Exception refusal)
    {
        if (Try(synchronize) is { } again)
        {
            throw new CodeException(
                CodeFailure.OldCodeNotConfirmed,
                $"The patch is refused: {refusal.Message} It was undone, and memory holds the old instructions. But "
                    + $"the cores could not be synchronized after that either: {again.Message} Until a core is "
                    + "serialized for another reason, it may continue to execute new instructions that it has "
                    + "fetched; every instruction that is executed is a whole one, old or new. Call "
                    + "CoreSerialization.AllThreads when it is no longer refused.",
                (again as CodeException)?.Errno ?? 0,
                refusal
            );
        }
    }

    /// <param name="synchronize">Serializes all cores, or throws.</param>
    /// <returns>Null when it was done, or the last refusal.</returns>
    public static Exception? Try(Action synchronize)
    {
        using var steady = new Uninterrupted();
        Exception? last = null;
        for (int attempt = 0; attempt < Tries; attempt++)
        {
            try
            {
                synchronize();
                return null;
            }
            catch (ThreadInterruptedException interruption)
            {
                steady.Remember();
                last = interruption;
            }
            catch (Exception refusal)
            {
                last = refusal;
                _ = Thread.Yield();
            }
        }

        return last;
    }
}
