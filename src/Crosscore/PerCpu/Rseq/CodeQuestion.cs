using Crosscore.Code;
using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// Makes machine code. Whatever prevents it (descriptors, memory, a policy, a hidden /proc) becomes a
/// <see cref="CodeException"/>, also where .NET's file calls throw another exception (NotSupportedException if lseek is
/// refused); an interruption is not an answer.
/// </summary>
internal static class CodeQuestion
{
    /// <exception cref="CodeException">Refused now. Nothing is left behind.</exception>
    public static T Ask<T>(Func<T> make)
    {
        using var waiting = new Uninterrupted();
        while (true)
        {
            try
            {
                return make();
            }
            catch (ThreadInterruptedException)
            {
                waiting.Remember();
            }
            catch (Exception refusal)
                when (refusal is IOException or UnauthorizedAccessException or NotSupportedException)
            {
                throw new CodeException(
                    CodeFailure.Unexpected,
                    $"What is needed to install machine code cannot be read: {refusal.Message} Allow /proc/self/maps "
                        + "and a free descriptor.",
                    0,
                    refusal
                );
            }
        }
    }
}
