using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;

namespace Crosscore.Litmus.Tests.Kernel;

/// <summary>There is one layout, and whatever is in it stays.</summary>
public class FormatterTests
{
    private const string Wild = """


        //  A comment.
        design   d-1.2   extends b ;   // behind


        option bool  pti=false;percpu task curr =running ;
        switch(prev,next){out:smp_mb( );WRITE_ONCE( curr[ this_cpu ],next );}

        syscall f (mm m , cpu c) {

          // inside
          cpus targets={};
            for(cpu d in online,d!=this_cpu) if (!(d in {0,1})) targets+=d;
            if(a){ smp_mb();   // why
            }
            else { return 0 ; }

            while (x.y==1&&z) {}

        }
        """;

    private const string Tame = """
        //  A comment.
        design d-1.2 extends b;  // behind

        option bool pti = false;
        percpu task curr = running;
        switch (prev, next) {
        out:
            smp_mb();
            WRITE_ONCE(curr[this_cpu], next);
        }

        syscall f(mm m, cpu c) {
            // inside
            cpus targets = {};
            for (cpu d in online, d != this_cpu) if (!(d in {0, 1})) targets += d;
            if (a) {
                smp_mb();  // why
            } else {
                return 0;
            }

            while (x.y == 1 && z) {
            }
        }

        """;

    public static TheoryData<string> Files => [.. DesignText.Names];

    [Fact]
    public void White_space_is_the_formatters_and_words_are_the_authors() =>
        Assert.Equal(Tame, KernelFormatter.Format(Wild));

    [Fact]
    public void What_is_formatted_stays() => Assert.Equal(Tame, KernelFormatter.Format(Tame));

    [Fact]
    public void What_is_no_design_has_no_layout()
    {
        KernelDesignException error = Assert.Throws<KernelDesignException>(() =>
            KernelFormatter.Format("design d;\nglobal x;", "x.kernel")
        );
        Assert.Equal(("x.kernel", 2, 8), (error.File, error.Line, error.Column));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void The_projects_designs_are_in_it(string name)
    {
        string text = File.ReadAllText(Path.Combine(DesignText.Folder, name + KernelDesign.Extension));
        Assert.Equal(text, KernelFormatter.Format(text));
    }
}
