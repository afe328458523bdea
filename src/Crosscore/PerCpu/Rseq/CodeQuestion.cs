using Crosscore.Code;
using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// Has machine code made. What stands against it (descriptors, memory, a policy, a hidden /proc) is a <see
/// cref="CodeException"/> whatever the system said, and however .NET's file calls say it (NotSupportedException where
/// lseek is refused); an interruption is no answer.
/// </summary>
internal static class CodeQuestion
{
    /// <exception cref="CodeException">Refused at this moment. Nothing is left behind.</exception>
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
                    $"What is needed to install machine code cannot be read: {refusal.Message} "
                        + "Allow /proc/self/maps and a free descriptor.",
                    0,
                    refusal
                );
            }
        }
    }
}
