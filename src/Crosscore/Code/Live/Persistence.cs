using Crosscore.Threads;

namespace Crosscore.Code;

/// <summary>
/// Asks for a synchronisation of all cores again and again, where one refusal is no answer: a kernel that has done it a
/// moment ago refuses only for want of memory. An interruption of the thread is no answer either, and is given back to
/// the thread afterwards.
/// </summary>
internal static class Persistence
{
    private const int Tries = 100;

    /// <summary>
    /// For where there is no way back and none forward without it. Where the refusals last, the process ends, rather
    /// than run code that is half one thing and half another, whatever kind of exception they are.
    /// </summary>
    /// <param name="synchronise">Serialises all cores, or throws.</param>
    public static void Insist(Action synchronise)
    {
        if (Try(synchronise) is { } refusal)
        {
            Environment.FailFast(
                $"Crosscore: a patch of live code is half written, and the kernel "
                    + $"goes on refusing to synchronise the cores: {refusal.Message}"
            );
        }
    }

    /// <param name="synchronise">Serialises all cores, or throws.</param>
    /// <returns>Null when it was done, or the last refusal.</returns>
    public static Exception? Try(Action synchronise)
    {
        using var steady = new Uninterrupted();
        Exception? last = null;
        for (int attempt = 0; attempt < Tries; attempt++)
        {
            try
            {
                synchronise();
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
