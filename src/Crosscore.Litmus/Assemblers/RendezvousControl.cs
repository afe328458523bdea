namespace Crosscore.Litmus.Assemblers;

/// <summary>
/// Offsets in a thread's control block in rendezvous mode: what the thread is given for a batch, and the kernel's
/// answer to a refused membarrier.
/// </summary>
internal static class RendezvousControl
{
#pragma warning disable CS1591 // offsets, named for the slots of the loop's frame
    public const int Shared = 0;
    public const int Instance = 8;
    public const int Results = 16;
    public const int Delays = 24;
    public const int Prefetch = 32;
    public const int Arrival = 40;
    public const int Remaining = 48;
    public const int Patience = 56;
    public const int Read = 64;
    public const int Write = 72;
    public const int Answer = 80;
    public const int Size = 128;
#pragma warning restore CS1591
}
