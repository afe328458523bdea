namespace Crosscore.Code;

/// <summary>
/// Asks for a synchronisation of all cores where being refused once is no answer: a kernel that has done it a moment ago refuses only for want of memory. An interruption of the thread is no answer either; it is
/// given back to the thread afterwards.
/// </summary>
internal static class Persistence
{
    private const int Tries = 100;

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
