namespace Crosscore.Linux;

/// <summary>
/// Closes descriptors that another process chose. close(2) may wait for as long as that process likes (a socket with
/// unsent data and SO_LINGER, a file of a FUSE server), so another thread does it, one descriptor after the other.
/// </summary>
internal static class ForeignDescriptors
{
    /// <summary>The maximum number that wait to be closed: each is an open file of this process.</summary>
    private const int MaxWaiting = 256;

    private static readonly Lock Changing = new();
    private static readonly Queue<int> Waiting = new();
    private static bool s_isClosing; // Whether the thread is there; changed under the lock.

    /// <summary>Gets whether too many wait for another one to be received.</summary>
    public static bool AreTooMany
    {
        get
        {
            lock (Changing)
            {
                return Waiting.Count >= MaxWaiting;
            }
        }
    }

    /// <summary>
    /// Closes a descriptor without waiting: at once where it is one of a memory file, else soon. Where no thread can be
    /// started it is closed with the next one.
    /// </summary>
    public static void Close(int descriptor)
    {
        if (Memfd.GetSeals(descriptor) >= 0)
        {
            OpenFile.Close(descriptor);
            return;
        }

        lock (Changing)
        {
            Waiting.Enqueue(descriptor);
            if (s_isClosing)
            {
                return;
            }

            try
            {
                new Thread(CloseAll, 64 << 10) { IsBackground = true, Name = "crosscore-close" }.Start();
                s_isClosing = true;
            }
            catch (OutOfMemoryException)
            {
                // As the summary says: it waits, and counts.
            }
        }
    }

    private static void CloseAll()
    {
        while (true)
        {
            int descriptor;
            lock (Changing)
            {
                if (!Waiting.TryPeek(out descriptor))
                {
                    s_isClosing = false;
                    return;
                }
            }

            OpenFile.Close(descriptor);
            lock (Changing)
            {
                _ = Waiting.Dequeue(); // Counted until it is closed.
            }
        }
    }
}
