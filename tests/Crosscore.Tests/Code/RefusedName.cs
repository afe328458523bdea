using Crosscore.Code;

namespace Crosscore.Tests;

/// <summary>A name that cannot be published: of those who are told of names, the first takes it and the second has no room for it. They stay for the rest of the process, and mind no other name.</summary>
internal static class RefusedName
{
    public const string Text = "a-name-too-many";

    private static readonly List<(bool Came, nint Address)> First = Attach();

    /// <summary>What the first was told since the last call.</summary>
    public static (bool Came, nint Address)[] TakeTold()
    {
        lock (First)
        {
            (bool, nint)[] told = [.. First];
            First.Clear();
            return told;
        }
    }

    private static List<(bool Came, nint Address)> Attach()
    {
        var told = new List<(bool Came, nint Address)>();
        CodeRegistry.Attach(new Sink(told));
        CodeRegistry.Attach(new Sink(null));
        return told;
    }

    private sealed class Sink(List<(bool Came, nint Address)>? told) : INameSink
    {
        public void Added(CodeSegment segment) => Tell(true, segment);

        public void Removed(CodeSegment segment) => Tell(false, segment);

        private void Tell(bool came, CodeSegment segment)
        {
            if (segment.Name != Text)
            {
                return;
            }

            if (told is null)
            {
                throw new InsufficientMemoryException();
            }

            lock (told)
            {
                told.Add((came, segment.Address));
            }
        }
    }
}
