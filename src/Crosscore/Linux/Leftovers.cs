using System.Collections.Concurrent;

namespace Crosscore.Linux;

/// <summary>
/// Unmaps memory that no thread uses any more. The kernel may refuse that: munmap(2) answers ENOMEM where it would have
/// to split a mapping and the process has as many as it may have. A later call repeats what was refused.
/// </summary>
internal static class Leftovers
{
    private static readonly ConcurrentQueue<(nint Address, nuint Length)> Refused = new();

    /// <summary>Unmaps one, now or later. Neither waits nor throws, so a finalizer may call it.</summary>
    public static void Unmap(nint address, nuint length)
    {
        Refused.Enqueue((address, length));

        // As many as there are now; what is refused again goes to the end.
        for (int left = Refused.Count; left > 0 && Refused.TryDequeue(out (nint Address, nuint Length) one); left--)
        {
            if (Mapping.Unmap(one.Address, one.Length) < 0)
            {
                Refused.Enqueue(one);
            }
        }
    }
}
